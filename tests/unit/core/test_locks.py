"""Locks: exclusive and shared, one line for who waits, one error for who waits too long, nothing left by the killed."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.run import start
from consul_docker_host.core.workspace import ROOT
from tests.support.speed import scaled

HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from consul_docker_host.core.locks import Lock
with Lock(Path(sys.argv[2])):
    Path(sys.argv[2] + ".held").touch()
    time.sleep(60)
"""


def test_one_holds_it_alone_and_the_next_takes_it_when_it_is_given_back(tmp_path: Path) -> None:
    one, other = Lock(tmp_path / "new" / "lock"), Lock(tmp_path / "new" / "lock")
    with one:
        assert not other.try_acquire()
        assert not other.try_acquire(shared=True)
    assert other.try_acquire()
    other.release()


def test_those_that_share_it_keep_out_whoever_wants_it_alone(tmp_path: Path) -> None:
    locks = [Lock(tmp_path / "lock") for _ in range(3)]
    assert all(lock.try_acquire(shared=True) for lock in locks[:2])
    assert not locks[2].try_acquire()
    locks[0].release()
    assert not locks[2].try_acquire()
    assert locks[1].try_acquire(), "the last that shares it may change its kind"
    assert not locks[2].try_acquire(shared=True)


def test_a_directory_can_be_locked_and_nothing_is_written_into_it(tmp_path: Path) -> None:
    with Lock(tmp_path):
        assert not Lock(tmp_path).try_acquire()
    assert list(tmp_path.iterdir()) == []


def test_who_waits_reads_it_once_and_gets_the_lock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock", waiting="waiting ...")
    first.acquire()
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(second.acquire)
        time.sleep(0.3)
        assert not waits.done()
        first.release()
        waits.result(timeout=scaled(10))
    assert capsys.readouterr().out == "waiting ...\n"


@pytest.mark.parametrize("seconds", [0, 0.2])
def test_who_waits_too_long_gets_the_error_with_its_remedy(tmp_path: Path, seconds: float) -> None:
    late = Lock(tmp_path / "lock", busy="somebody is at work", hint="wait for it", seconds=seconds)
    with Lock(tmp_path / "lock"), pytest.raises(BuildError) as caught:
        late.acquire()
    assert (caught.value.message, caught.value.hint) == ("somebody is at work", "wait for it")
    assert late.try_acquire(), "the failed attempt left nothing behind"


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = start([sys.executable, "-c", HOLDER, str(ROOT / "packaging"), str(path)], log=tmp_path / "log")
    until = time.monotonic() + scaled(30)
    while not Path(f"{path}.held").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Lock(path).try_acquire(), (tmp_path / "log").read_text()
    process.kill()
    process.wait(timeout=scaled(20))
    assert Lock(path).try_acquire()
