"""Fixtures of the repository's stories: keys, published trees, clients."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.repository.client import Client, client_image
from tests.repository.site import Site, make_keys, published_site
from tests.support.containers.bed import Bed
from tests.support.fixtures import bed, engine
from tests.support.schedule import pytest_xdist_make_scheduler
from tests.support.selection import leave_out_by_marks, parametrize_distribution

__all__ = ["bed", "engine", "pytest_xdist_make_scheduler"]  # pytest finds fixtures and hooks here

Change = Callable[[Path], None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize_distribution(metafunc)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    leave_out_by_marks(config, items)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Give the published trees."""
    return published_site(tmp_path_factory.mktemp("published") / "site", make_keys())


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient, distribution: Distribution) -> str:
    """Give the image of a client."""
    return client_image(engine, distribution)


@pytest.fixture(scope="module")
def client(bed: Bed, image: str, distribution: Distribution) -> Iterator[Client]:
    """Give a client that the stories of one file share, in their order."""
    with bed.host(image, name=f"{distribution.name}-client") as host:
        yield Client(host)


@pytest.fixture
def changed(tmp_path: Path, site: Site) -> Callable[[str, Change], Path]:
    """Return a function that gives a copy of a published tree with something changed in it."""

    def copy(state: str, change: Change) -> Path:
        target = tmp_path / state
        shutil.copytree(site.trees[state], target)
        change(target)
        return target

    return copy
