"""The load of `inv test.repeat`: as many processes as asked for, and none afterwards."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from consul_docker_host.core.run import start
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.load import running_load, work


def is_running(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(*pids: int) -> None:
    deadline = time.monotonic() + 30
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, "the load still runs"
        time.sleep(0.05)


def test_it_runs_while_the_block_does_and_no_longer() -> None:
    with running_load(2) as pids:
        assert len(set(pids)) == 2
        assert all(map(is_running, pids))
    wait_until_gone(*pids)


def test_it_ends_with_a_failed_block() -> None:
    def fail() -> None:
        with running_load(1) as pids:
            seen.extend(pids)
            raise ValueError("failed")

    seen: list[int] = []
    with pytest.raises(ValueError, match="failed"):
        fail()
    wait_until_gone(*seen)


def test_it_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import time\nfrom consul_docker_host.prove.load import running_load\n"
        "with running_load(1) as pids:\n    print(pids[0], flush=True)\n    time.sleep(100)\n"
    )
    parent = start([sys.executable, "-c", code], log=tmp_path / "log", env={"PYTHONPATH": str(ROOT / "packaging")})
    deadline = time.monotonic() + 30
    while not (tmp_path / "log").read_text().strip():
        assert time.monotonic() < deadline, "the parent did not start"
        time.sleep(0.05)
    pid = int((tmp_path / "log").read_text())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(10)
    wait_until_gone(pid)


def test_it_ends_by_itself() -> None:
    begin = time.monotonic()
    work(os.getppid(), seconds=0.0)
    assert time.monotonic() - begin < 5
