"""File locks between test processes: pytest-xdist's workers, and two runs at the same time on one machine."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from consul_docker_host.core.errors import BuildError

# The longest work under a lock is building Consul from source.
LONGEST_WORK = 2400.0


class FileLock:
    """A lock that the kernel drops with its process, so that a killed run leaves nothing to clean up."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._descriptor: int | None = None

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock (or change its kind) without waiting; say whether it is held now."""
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self, *, shared: bool = False, seconds: float = LONGEST_WORK) -> None:
        """Take the lock, waiting at most ``seconds``."""
        deadline = time.monotonic() + seconds
        while not self.try_acquire(shared=shared):
            if time.monotonic() > deadline:
                self.release()
                raise BuildError(
                    f"{self.path}: still locked after {seconds:g} s",
                    hint="another test run holds it; wait for its end (fuser names the process)",
                )
            time.sleep(0.1)

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
