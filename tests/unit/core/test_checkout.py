"""The project's files are the same with git, without `.git`, and where git refuses another user's checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.checkout import project_files
from consul_docker_host.core.run import run
from tests.unit.kit import fake_program, path_with

FILES = ("a.py", ".hidden", "sub/b.txt", "sub/build/kept.txt", "deep/images/packages/c")
IGNORED = ("build/x", "sub/__pycache__/a.pyc", "x.egg-info/y", "packed/images/z")
IGNORE = "# a comment\n/build/\n__pycache__/\n*.egg-info/\npacked/images/\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give a directory with files to be found and files to be ignored."""
    for name in (*FILES, *IGNORED):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "tree" / ".gitignore").write_text(IGNORE)
    return tmp_path / "tree"


def test_without_git_what_is_ignored_is_left_out(tree: Path) -> None:
    assert project_files(tree) == sorted([*FILES, ".gitignore"])


def test_git_finds_the_same(tree: Path) -> None:
    before = project_files(tree)
    run(["git", "init", "--quiet"], cwd=tree)
    assert project_files(tree) == before
    run(["git", "add", "a.py"], cwd=tree)
    (tree / "a.py").unlink()
    assert project_files(tree) == [name for name in before if name != "a.py"]


def test_a_git_that_refuses_the_checkout_is_done_without(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / ".git").mkdir()
    fake_program(tmp_path / "bin", "git", "echo 'fatal: detected dubious ownership in repository' >&2; exit 128")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    assert project_files(tree) == sorted([*FILES, ".gitignore"])
