"""How the program replaces a file of the host: mode, owner, ACL and links stay, and a mount is written in place."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_program import files
from host_program.output import Failure
from tests.host.conftest import needs_root

BEFORE = b"before\n" * 1000


@contextlib.contextmanager
def mounted(*arguments: str, target: Path) -> Iterator[None]:
    subprocess.run(["mount", *arguments, str(target)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(target)], check=True)


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.consul-docker-host-*")]


@needs_root
def test_mode_owner_and_acl_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(BEFORE)
    os.chown(path, 65534, 12)
    path.chmod(0o640)
    # user 1: read; the entries are those of acl(5), as the kernel has them
    acl = bytes.fromhex("02000000 01000600ffffffff 0200040001000000 04000400ffffffff 10000400ffffffff 20000000ffffffff")
    os.setxattr(path, "system.posix_acl_access", acl)
    os.utime(path, (1, 1))

    assert files.replace_file(str(path), b"after\n")

    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (65534, 12, 0o640)
    assert os.getxattr(path, "system.posix_acl_access") == acl
    assert path.read_bytes() == b"after\n"
    assert status.st_mtime > 1
    assert left_over(tmp_path) == []


def test_what_is_there_already_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(BEFORE)
    os.utime(path, (1, 1))
    assert not files.replace_file(str(path), BEFORE)
    assert path.stat().st_mtime == 1


def test_a_new_file_is_readable_by_all_and_a_leftover_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f"file.consul-docker-host-{os.getpid()}").write_text("of a process that was killed")
    assert files.replace_file(str(tmp_path / "file"), b"new")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert left_over(tmp_path) == []


def test_a_leftover_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(BEFORE)
    (tmp_path / f"file.consul-docker-host-{os.getpid()}").symlink_to(tmp_path / "victim")
    files.replace_file(str(tmp_path / "file"), b"new")
    assert (tmp_path / "victim").read_bytes() == BEFORE


def test_a_link_is_followed_and_a_dangling_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(BEFORE)
    (tmp_path / "link").symlink_to("target")
    files.replace_file(str(tmp_path / "link"), b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"after"
    (tmp_path / "dangling").symlink_to("none/none")
    with pytest.raises(Failure, match=r"^/etc/x is a dangling symlink$"):
        files.replace_file(str(tmp_path / "dangling"), b"", name="/etc/x")


@needs_root
@pytest.mark.parametrize("name", ["file", "with a blank", "with\\a\ttab"])
def test_a_file_that_is_a_mount_is_written_in_place(tmp_path: Path, name: str) -> None:
    """Also one that is mounted from the same file system, whose device number tells nothing."""
    source, target = tmp_path / "engine", tmp_path / name
    for path in (source, target):
        path.write_bytes(BEFORE)
    with mounted("--bind", str(source), target=target):
        assert files.replace_file(str(target), b"after\n")
        assert target.read_bytes() == b"after\n"
        assert files.replace_file(str(target), BEFORE * 2)
        assert source.read_bytes() == BEFORE * 2
    assert left_over(tmp_path) == []


@needs_root
def test_a_mount_without_room_keeps_what_it_has(tmp_path: Path) -> None:
    small, target = tmp_path / "small", tmp_path / "file"
    small.mkdir()
    target.write_bytes(b"")
    with mounted("-t", "tmpfs", "-o", "size=16k", "tests", target=small):
        (small / "file").write_bytes(BEFORE)
        with mounted("--bind", str(small / "file"), target=target):
            with pytest.raises(Failure, match=r"^/etc/x cannot be written and is unchanged: No space left on device$"):
                files.replace_file(str(target), BEFORE * 9, name="/etc/x")
            assert target.read_bytes() == BEFORE
            # What shrinks has room on the fullest disk.
            (small / "ballast").write_bytes(b"x" * 8192)
            files.replace_file(str(target), b"less\n")
            assert target.read_bytes() == b"less\n"


@needs_root
def test_a_file_on_a_file_system_that_is_read_only_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    reason = r"/file cannot be written and is unchanged: Read-only file system$"
    with mounted("-t", "tmpfs", "-o", "ro", "tests", target=folder), pytest.raises(Failure, match=reason):
        files.replace_file(str(folder / "file"), b"")


def test_what_cannot_be_replaced_and_is_no_mount_is_not_written_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(BEFORE)

    def refuse(source: str, target: str) -> None:
        raise OSError(16, "Device or resource busy", source, None, target)

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(Failure, match="Device or resource busy"):
        files.replace_file(str(path), b"after")
    assert path.read_bytes() == BEFORE
    assert left_over(tmp_path) == []


def test_a_private_file_is_never_open_to_others(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o666)
    (tmp_path / "elsewhere").mkdir()
    assert files.write_private(str(path), b"old", group=-1, folder=str(tmp_path / "elsewhere"))
    assert path.stat().st_mode & 0o777 == 0o640
    assert not files.write_private(str(path), b"old", group=-1)
