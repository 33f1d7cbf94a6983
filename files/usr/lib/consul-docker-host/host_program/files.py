"""Read and write files: a file has its old or its new content, and keeps its mode, owner and label."""

from __future__ import annotations

import contextlib
import errno
import os

from host_program.output import Failure
from host_program.programs import have, run

# Part of the names that maintainer scripts remove as leftovers of an interrupted step.
SUFFIX = ".consul-docker-host-"


def read_text(path: str, limit: int = -1) -> str:
    """Return a file's text, with undecodable bytes as surrogates; empty if the file is missing or unreadable."""
    try:
        # Reading a pipe at this path would never end.
        if not os.path.isfile(path):
            return ""
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read(limit)
    except OSError:
        return ""


def read_bytes(path: str) -> bytes | None:
    """Return a file's content; None if the file is missing or unreadable."""
    try:
        # Reading a pipe at this path would never end.
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def replace_file(path: str, content: bytes, *, mode: int | None = None, name: str = "") -> bool:
    """Replace the file's content atomically and return whether it changed.

    The file keeps its mode, owner, ACL and SELinux label, unless ``mode`` is given; a new one is 0644. A link is
    followed. Raise Failure and leave the file unchanged if it cannot be written; the message names it ``name``.
    """
    name = name or path
    target = os.path.realpath(path)
    if os.path.islink(path) and not os.path.isdir(os.path.dirname(target)):
        raise Failure(f"{name} is a dangling symlink")
    if read_bytes(target) == content:
        return False
    try:
        _replace(target, content, mode)
    except OSError as error:
        raise Failure(f"{name} cannot be written and is unchanged: {error.strerror}") from None
    return True


def write_private(
    path: str, content: bytes, *, group: int, mode: int = 0o640, folder: str = "", is_synced: bool = False
) -> bool:
    """Write a file that only root and one group can read, atomically, and return whether it changed.

    The new file is written in ``folder`` if another program reads all files beside ``path``. With ``is_synced`` it is
    flushed to the disk first, so that it survives a power failure. On failure raise OSError and keep the file.
    """
    if read_bytes(path) == content and os.stat(path).st_mode & 0o7777 == mode:
        return False
    beside = os.path.join(folder or os.path.dirname(path), f"{os.path.basename(path)}{SUFFIX}{os.getpid()}")
    try:
        with open(beside, "wb", opener=_open_private) as file:
            file.write(content)
            if is_synced:
                file.flush()
                os.fsync(file.fileno())
        give_to_group(beside, group)
        os.chmod(beside, mode)
        os.replace(beside, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    return True


def give_to_group(path: str, group: int) -> None:
    """Change a file's group (-1: do not); if that is not permitted, the file keeps its group."""
    with contextlib.suppress(OSError):
        if group not in {-1, os.lstat(path).st_gid}:
            os.chown(path, -1, group, follow_symlinks=False)


def _open_private(path: str, flags: int) -> int:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, flags | os.O_EXCL | os.O_CREAT, 0o600)


def _replace(target: str, content: bytes, mode: int | None) -> None:
    beside = f"{target}{SUFFIX}{os.getpid()}"
    try:
        with open(beside, "wb", opener=_open_private) as file:
            _copy_attributes(target, beside, mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if have("restorecon"):
            run("restorecon", beside)
        try:
            os.replace(beside, target)
        except OSError as error:
            # A file that is a mount point, as in containers, cannot be replaced, only written.
            if error.errno != errno.EBUSY or not _is_mount(target):
                raise
            _write_in_place(target, content)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(beside)


def _copy_attributes(source: str, target: str, mode: int | None) -> None:
    import shutil  # noqa: PLC0415 - a start of Consul that changes nothing does not need it

    try:
        kept = os.stat(source)
    except FileNotFoundError:
        os.chmod(target, 0o644 if mode is None else mode)
        return
    os.chown(target, kept.st_uid, kept.st_gid)
    shutil.copystat(source, target)
    if mode is not None:
        os.chmod(target, mode)


def _is_mount(path: str) -> bool:
    # os.path.ismount compares devices, so it does not recognise a file that is mounted from the same device.
    place = path.replace("\\", r"\134").replace(" ", r"\040").replace("\t", r"\011").replace("\n", r"\012")
    return any(line.split(" ")[4] == place for line in read_text("/proc/self/mountinfo").splitlines())


def _write_in_place(target: str, content: bytes) -> None:
    with open(target, "r+b") as file:
        before = file.read()
        space = os.fstatvfs(file.fileno())
        if len(content) - len(before) > space.f_bavail * space.f_frsize:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            _overwrite(file.fileno(), content)
        except OSError:
            _overwrite(file.fileno(), before)
            raise


def _overwrite(handle: int, content: bytes) -> None:
    # The file is overwritten before it is truncated, so that its own blocks are reused on a full disk.
    written = 0
    while written < len(content):
        written += os.pwrite(handle, content[written:], written)
    os.ftruncate(handle, len(content))
    os.fsync(handle)
