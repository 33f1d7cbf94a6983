"""Build a new directory from hard links to an old one's files, and replace the old one atomically."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
from pathlib import Path

from consul_docker_host.core.errors import BuildError

AT_FDCWD = -100
RENAME_EXCHANGE = 2
# EXDEV and EBUSY mean that another file system is mounted there.
NO_EXCHANGE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EBUSY})


def replace_folder(new: Path, path: Path) -> None:
    """Exchange the directory ``new`` and the one at ``path`` atomically; the old one is at ``new`` afterwards.

    A symbolic link would do as well, but rsync, tar and bind mounts sometimes copy the link and sometimes follow it.
    """
    if not path.exists():
        new.rename(path)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(path), RENAME_EXCHANGE) == 0:
        return
    code = ctypes.get_errno()
    if code in NO_EXCHANGE:
        hint = "use a local file system (ext4, xfs, btrfs, tmpfs) and copy it from there"
        raise BuildError(f"{path}: its file system cannot exchange two directories atomically", hint=hint)
    raise OSError(code, os.strerror(code), str(path))


def link_file(source: Path | str, target: Path | str) -> None:
    """Link a file that never changes to a second path, or copy it if the file system has no hard links."""
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        shutil.copy2(source, target)


def link_folder(source: Path, target: Path) -> None:
    """Link every file below ``source`` to the same path below ``target``; a missing ``source`` counts as empty."""
    # Strings instead of Path objects, because there are thousands of files.
    for parent, _, names in os.walk(source):
        folder = os.path.join(target, os.path.relpath(parent, source))  # noqa: PTH118
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        for name in names:
            link_file(f"{parent}/{name}", f"{folder}/{name}")


def settle(path: Path) -> None:
    """Make a file that another program wrote readable for all, and flush it to the disk."""
    path.chmod(0o644)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a new file and flush it to the disk, so that a power cut after the swap leaves no empty files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The path may be a hard link to a file that is being served.
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)
