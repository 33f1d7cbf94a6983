"""Run functions in the network namespace of a container."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from host_program.background import Later

T = TypeVar("T")
# https://man7.org/linux/man-pages/man2/setns.2.html
CLONE_NEWNET = 0x40000000


def inside(path: str, function: Callable[[], T]) -> T | None:
    """Call the function in the network namespace that the path names; None if this user may not enter it.

    A namespace belongs to a thread, so a thread enters it and ends there, and no program has to be started inside.
    """
    return Later(lambda: function() if _enter(path) else None).get()


def _enter(path: str) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    import ctypes  # noqa: PLC0415 - a host without containers does not need it

    try:
        # os.setns exists only from Python 3.12 on.
        return bool(ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) == 0)
    finally:
        os.close(handle)
