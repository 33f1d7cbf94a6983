"""What the workers of one run make once and share: the first that needs it makes it, the others wait for it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a directory that ``make`` has filled in this or in another worker of the run; nobody may change it."""
    own = factory.getbasetemp()
    # xdist gives each worker a directory in that of the run.
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = shared / "made-once" / name
    folder.parent.mkdir(exist_ok=True)
    finished = folder.with_name(f"{name}.finished")
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            make(folder)
            finished.touch()
    return folder


def worker_number() -> int:
    """Return the number of this worker, so that workers can begin with different things."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
