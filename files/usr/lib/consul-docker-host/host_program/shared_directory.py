"""Write a file in a directory that may belong to another user, such as the one that node_exporter reads.

Another user can point a symlink in such a directory anywhere, so none is followed there, and the name of the temporary
file is unpredictable.
"""

from __future__ import annotations

import contextlib
import os
import stat

from host_program.files import SUFFIX
from host_program.output import Failure
from host_program.programs import have, run

# The kernel's own limit: https://man7.org/linux/man-pages/man7/path_resolution.7.html
LINK_LIMIT = 40
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def replace(path: str, content: bytes) -> bool:
    """Replace the file's content atomically and return whether it changed.

    The file keeps its mode and owner; a new one is 0644. A link is followed only if only this user and root can change
    it. Raise Failure and leave the file unchanged if it cannot be written.
    """
    try:
        folder, name, where = _open_folder(path)
        try:
            return _replace(folder, name, where, content)
        finally:
            os.close(folder)
    except OSError as error:
        raise Failure(f"{path} cannot be written and is unchanged: {error.strerror}") from None


def _open_folder(path: str) -> tuple[int, str, str]:
    """Open the file's directory; return it with the file's name and the directory's path.

    Each directory is opened relative to the previous one, so that nobody can exchange one meanwhile.
    """
    parts = os.path.abspath(path).split("/")[:0:-1]
    here, where, links = os.open("/", FOLDER), "", 0
    try:
        while True:
            name = parts.pop()
            target = _read_link(here, name, where)
            if target is not None:
                links += 1
                if links > LINK_LIMIT:
                    raise Failure(f"{path} is a loop of symlinks")
                parts += [part for part in target.split("/")[::-1] if part not in {"", "."}]
                if target.startswith("/"):
                    os.close(here)
                    here, where = os.open("/", FOLDER), ""
                if not parts:
                    raise Failure(f"{path} leads to a directory")
                continue
            if not parts:
                if links and not _exists(here, name):
                    raise Failure(f"{path} is a dangling symlink")
                return here, name, where
            below = os.open(name, FOLDER, dir_fd=here)
            os.close(here)
            here, where = below, f"{where}/{name}"
    except BaseException:
        os.close(here)
        raise


def _read_link(folder: int, name: str, where: str) -> str | None:
    try:
        target = os.readlink(name, dir_fd=folder)
    except OSError:
        return None
    status = os.fstat(folder)
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & 0o022:
        raise Failure(f"{where}/{name} is a symlink in a directory that others can write to; it is not followed")
    return target


def _exists(folder: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def _replace(folder: int, name: str, where: str, content: bytes) -> bool:
    kept = _stat_file(folder, name)
    if kept is not None and _read(folder, name, len(content)) == content:
        return False
    beside = f"{name}{SUFFIX}{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(beside, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if kept is not None:
                os.fchown(handle, kept.st_uid, kept.st_gid)
            os.fchmod(handle, kept.st_mode & 0o777 if kept is not None else 0o644)
            os.fsync(handle)
        if have("restorecon"):
            run("restorecon", f"{where}/{beside}")
        os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(beside, dir_fd=folder)
    return True


def _stat_file(folder: int, name: str) -> os.stat_result | None:
    try:
        status = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _read(folder: int, name: str, size: int) -> bytes | None:
    """Return at most ``size`` + 1 bytes of the content; None if it cannot be read."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(handle, "rb") as file:
            return file.read(size + 1)
    except OSError:
        return None
