"""Options and fixtures of the image stories."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import ROOT
from tests.image.kit import Made, docker_archive, image_of, inv_image
from tests.support.machines.hosts import REGISTRATOR_IMAGE, registrator_tar, tools_tar
from tests.support.programs.registrator import standin_program
from tests.unit.kit import copy_checkout

TOOLS = "tools:latest"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("image", "disk images (tests/image)")
    group.addoption("--suite", default="bookworm", metavar="NAME", help="the suite that the images are made of")


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest) -> str:
    """Give the suite that the images are made of."""
    return str(request.config.getoption("suite"))


@pytest.fixture(scope="session")
def preload(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Give container images as files: the stand-in of Registrator, and one in which the host's programs run."""
    folder = tmp_path_factory.mktemp("preload")
    assert standin_program().exists()
    entry = {"Entrypoint": ["/registrator"]}
    path = {"Env": ["PATH=/usr/sbin:/usr/bin"]}
    return (
        docker_archive(REGISTRATOR_IMAGE, registrator_tar(), entry, folder / "registrator.tar"),
        docker_archive(TOOLS, tools_tar(), path, folder / "tools.tar"),
    )


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, suite: str, preload: tuple[Path, ...]) -> Made:
    """Give an image with everything in it, made as a user makes one; it has not been booted."""
    work = copy_checkout(tmp_path_factory.mktemp("image") / "checkout")
    shutil.copytree(ROOT / "dist", work.dist, ignore=shutil.ignore_patterns("images", "repository", ".*"))
    done = inv_image(work, f"--suite={suite}", f"--preload={','.join(map(str, preload))}", "--no-proof")
    assert done.returncode == 0, done.output
    return Made(work=work, image=image_of(work))
