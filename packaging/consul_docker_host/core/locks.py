"""Locks between processes: two builds of one checkout, two images of one base, two test runs of one machine."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import say

# The longest work under a lock is building Consul from source.
LONGEST_WORK = 2400.0
PAUSE = 0.05


class Lock:
    """A lock on a file or directory, exclusive or shared, that the kernel drops with its process.

    A killed run leaves nothing to clean up. ``report`` shows ``waiting`` once if the lock is not free; ``busy`` and
    ``hint`` form the error if others hold it for more than ``seconds`` (0: do not wait).
    """

    def __init__(
        self,
        path: Path,
        *,
        busy: str = "",
        hint: str = "",
        waiting: str = "",
        seconds: float = LONGEST_WORK,
        report: Callable[[str], None] = say,
    ) -> None:
        self.path = path
        self._busy = busy or f"{path}: still locked after {seconds:g} s"
        self._hint = hint or (
            "" if busy else "another process holds it; wait until it has finished (fuser shows the process)"
        )
        self._waiting = waiting
        self._seconds = seconds
        self._report = report
        self._descriptor: int | None = None

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock, or switch it between shared and exclusive, without waiting; return whether it is held now."""
        if self._descriptor is None:
            self._descriptor = self._open()
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _open(self) -> int:
        if self.path.is_dir():
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)

    def acquire(self, *, shared: bool = False) -> None:
        """Take the lock, or switch it between shared and exclusive; raise BuildError if others hold it for too long."""
        deadline, is_reported = time.monotonic() + self._seconds, False
        while not self.try_acquire(shared=shared):
            if time.monotonic() >= deadline:
                self.release()
                raise BuildError(self._busy, hint=self._hint)
            if self._waiting and not is_reported:
                self._report(self._waiting)
            is_reported = True
            time.sleep(PAUSE)

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
