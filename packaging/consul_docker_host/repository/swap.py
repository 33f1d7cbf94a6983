"""How a new folder is made beside an old one, out of its files, and takes its place in one step."""

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
# The last two: another file system is mounted there.
NO_EXCHANGE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EBUSY})


def replace_folder(new: Path, path: Path) -> None:
    """Put the folder ``new`` at ``path`` in one step; what was there is at ``new`` afterwards.

    A symbolic link would do as well, but rsync, tar and bind mounts copy the link or follow it as they please.
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
    """Give a file that never changes a second name, or a copy where the file system knows no second names."""
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        shutil.copy2(source, target)


def link_folder(source: Path, target: Path) -> None:
    """Give every file below ``source`` a second name below ``target``, folders made; nothing where there is none."""
    # Texts, not paths: there are thousands of them.
    for parent, _, names in os.walk(source):
        folder = os.path.join(target, os.path.relpath(parent, source))  # noqa: PTH118
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        for name in names:
            link_file(f"{parent}/{name}", f"{folder}/{name}")


def settle(path: Path) -> None:
    """Make a file that another program wrote readable for all, and see it on the disk."""
    path.chmod(0o644)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a new file that is on the disk when this returns: a power cut must not follow the swap with empty files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # It may be a second name of a file that is being served.
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)
