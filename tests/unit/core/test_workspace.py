"""Places, and how a file gets its final name: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import (
    ROOT,
    Workspace,
    cache_folder,
    content_key,
    copy_entry,
    replacing,
    write_text,
)


def test_the_workspace_is_the_checkout_unless_a_root_is_given(tmp_path: Path) -> None:
    assert Workspace().root == ROOT
    assert (ROOT / "tasks.py").is_file()
    work = Workspace(root=tmp_path)
    assert [path.relative_to(tmp_path).parts for path in (work.files, work.packaging, work.build, work.dist)] == [
        ("files",), ("packaging",), ("build",), ("dist",),
    ]  # fmt: skip


def test_the_cache_lies_where_xdg_says_else_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("a", "b") == tmp_path / "xdg" / "consul-docker-host" / "a" / "b"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("a") == tmp_path / "home" / ".cache" / "consul-docker-host" / "a"
    assert cache_folder("a").is_dir()


def test_a_text_is_written_whole_with_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_text(tmp_path / "new" / "x", "ü\n")
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "x").read_text(encoding="utf-8") == "ü\n"
    assert (tmp_path / "new" / "x").stat().st_mode & 0o777 == 0o644


def give_up(path: Path) -> None:
    with replacing(path) as beside:
        beside.write_text("half")
        raise KeyboardInterrupt


def test_a_file_stays_as_it_was_when_its_replacement_fails(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("whole")
    with pytest.raises(KeyboardInterrupt):
        give_up(tmp_path / "x")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x": "whole"}


def test_a_copied_file_has_the_mode_and_time_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "from" / "a").mkdir(parents=True)
    (tmp_path / "from" / "a" / "b").write_bytes(b"\x00\xff")
    (tmp_path / "from" / "a" / "b").chmod(0o600)
    copy_entry(tmp_path / "from", tmp_path / "to", "a/b", 0o755, 17)
    copied = tmp_path / "to" / "a" / "b"
    assert (copied.read_bytes(), copied.stat().st_mode & 0o7777, copied.stat().st_mtime) == (b"\x00\xff", 0o755, 17)


def test_no_two_lists_of_values_share_a_key() -> None:
    lists: list[list[bytes | str]] = [[], [""], ["", ""], ["ab"], ["a", "b"], ["b", "a"], ["a", "b", ""], ["a\0b"]]
    assert len({content_key(parts) for parts in lists}) == len(lists)
    assert content_key(["ü"]) == content_key(["ü".encode()])
