"""How the program writes: a file has its old content or its new, with the mode, owner and label that it had."""

from __future__ import annotations

import contextlib
import os
import tempfile

from host_program.output import Failure
from host_program.programs import have, run

# Names that maintainer scripts know as leftovers of an interrupted step.
SUFFIX = ".consul-docker-host-"


def read_text(path: str) -> str:
    """Return a file's text, undecodable bytes kept as surrogates; empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError:
        return ""


def replace_file(path: str, content: bytes, *, mode: int | None = None) -> bool:
    """Put the content in the file's place in one step and return whether it changed anything.

    The file keeps its mode, owner and SELinux label, unless ``mode`` is given; a new one is 0644. A link is followed.
    Failure, with the file as it was, where it cannot be written.
    """
    target = os.path.realpath(path)
    try:
        with open(target, "rb") as file:
            if file.read() == content:
                return False
    except OSError:
        pass
    try:
        _replace(target, content, mode)
    except OSError as error:
        raise Failure(f"{path} cannot be written and is unchanged: {error.strerror}") from None
    return True


def _replace(target: str, content: bytes, mode: int | None) -> None:
    folder, name = os.path.split(target)
    handle, beside = tempfile.mkstemp(prefix=name + SUFFIX, dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _copy_owner(target, beside, mode)
        if have("restorecon"):
            run("restorecon", beside)
        os.replace(beside, target)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(beside)


def _copy_owner(source: str, target: str, mode: int | None) -> None:
    try:
        kept = os.stat(source)
    except OSError:
        os.chmod(target, 0o644 if mode is None else mode)
        return
    os.chown(target, kept.st_uid, kept.st_gid)
    os.chmod(target, kept.st_mode & 0o7777 if mode is None else mode)
