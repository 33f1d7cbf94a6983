"""A load for the machine while a story is repeated: processes that compute and write, started and ended here.

Each ends by itself when the process that started it is gone, or after LONGEST seconds: a killed run leaves no load.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from consul_docker_host.core.run import start

MOST = 64
LONGEST = 6 * 3600.0
# Computing goes on for this long between two writes.
SLICE_SECONDS = 0.5
WRITTEN = 4 << 20
END_SECONDS = 10.0


@contextlib.contextmanager
def running_load(processes: int) -> Iterator[tuple[int, ...]]:
    """Keep that many processes busy while the block runs, and give their ids; at its end none of them runs."""
    packages = Path(__file__).resolve().parents[2]
    argv = [sys.executable, "-m", "consul_docker_host.prove.load", str(os.getpid())]
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        log, paths = Path(folder, "log"), {"PYTHONPATH": str(packages)}
        started = [start(argv, log=log, env=paths) for _ in range(processes)]
        try:
            yield tuple(process.pid for process in started)
        finally:
            for process in started:
                process.kill()
            for process in started:
                process.wait(END_SECONDS)


def work(parent: int, *, seconds: float = LONGEST) -> None:
    """Compute and write in turn until the parent is gone or the time is over."""
    end = time.monotonic() + seconds
    data = os.urandom(WRITTEN)
    with tempfile.TemporaryFile() as file:
        while os.getppid() == parent and time.monotonic() < end:
            pause = time.monotonic() + SLICE_SECONDS
            while time.monotonic() < pause:
                hashlib.sha256(data).digest()
            file.seek(0)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


if __name__ == "__main__":
    work(int(sys.argv[1]))
