"""A story that is started in the middle fails with the name of the missing step, and one from the start does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import ROOT

CONFTEST = """
pytest_plugins = ("tests.support.sequence",)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: ...")
"""
STORY = """
import pytest

pytestmark = pytest.mark.sequence


def test_install():
    pass


@pytest.mark.long
def test_wait():
    pass


@pytest.mark.parametrize("which", ["a", "b"])
def test_break(which):
    pass


def test_remove():
    pass
"""


def run_story(folder: Path, *options: str) -> str:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_story.py").write_text(STORY)
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        *options,
        str(folder),
    ]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("options", [["-k", "not wait"], ["--long"]], ids=["short", "long"])
def test_a_whole_story_passes(tmp_path: Path, options: list[str]) -> None:
    said = run_story(tmp_path, *options)
    assert "failed" not in said, said
    assert "passed" in said


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        (["-k", "remove"], "test_install"),
        (["-k", "install or remove"], "test_break"),
        (["--long", "-k", "not wait"], "test_wait"),
    ],
)
def test_a_story_from_the_middle_names_the_missing_step(tmp_path: Path, options: list[str], missing: str) -> None:
    said = run_story(tmp_path, *options)
    assert f"follows {missing}, which has not run: run test_story.py as a whole" in said, said
