"""A folder takes another's place in one step, and a file that is served is never written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.repository import swap


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "file").write_text(content)
    return path


def test_two_folders_change_places(tmp_path: Path) -> None:
    new, old = folder(tmp_path / "new", "new"), folder(tmp_path / "old", "old")
    swap.replace_folder(new, old)
    assert ((old / "file").read_text(), (new / "file").read_text()) == ("new", "old")


def test_the_first_one_is_renamed(tmp_path: Path) -> None:
    swap.replace_folder(folder(tmp_path / "new", "new"), tmp_path / "place")
    assert (tmp_path / "place" / "file").read_text() == "new"
    assert not (tmp_path / "new").exists()


def test_a_file_system_that_cannot_is_told_with_the_remedy(tmp_path: Path) -> None:
    """Two file systems stand for one that knows no exchange: the kernel refuses both in the same call."""
    old = folder(tmp_path / "old", "old")
    with pytest.raises(BuildError, match="cannot exchange two directories atomically\n  use a local"):
        swap.replace_folder(Path("/proc/self/fd"), old)
    assert (old / "file").read_text() == "old"


def test_a_missing_folder_is_the_system_s_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        swap.replace_folder(tmp_path / "none", folder(tmp_path / "old", "old"))


def test_linked_files_are_the_same_files(tmp_path: Path) -> None:
    source = folder(tmp_path / "source", "x")
    (source / "deep").mkdir()
    (source / "deep" / "other").write_text("y")
    swap.link_folder(source, tmp_path / "target")
    swap.link_folder(source, tmp_path / "target")
    assert (tmp_path / "target" / "deep" / "other").samefile(source / "deep" / "other")


def test_nothing_is_made_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    swap.link_folder(tmp_path / "none", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_writing_leaves_the_other_name_of_a_file_alone(tmp_path: Path) -> None:
    source = folder(tmp_path / "served", "old")
    swap.link_folder(source, tmp_path / "new")
    swap.write_bytes(tmp_path / "new" / "file", b"new")
    assert (source / "file").read_text() == "old"
    assert (tmp_path / "new" / "file").stat().st_mode & 0o777 == 0o644
