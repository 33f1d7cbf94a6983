"""With --keep a failed test waits with its machines running, and removes them when the user lets go."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from consul_docker_host.core.run import run, start
from consul_docker_host.core.workspace import ROOT

TESTS = """
import dataclasses
from pathlib import Path
import pytest
from tests.support.keep import kept_if_failed

class Box:
    name = "box"
    def __init__(self): Path("box").touch()
    def enter_command(self): return "enter the box"
    def close(self): Path("box").unlink()

@dataclasses.dataclass
class Fleet:
    hosts: tuple

@pytest.fixture
def fleet():
    box = Box()
    yield Fleet(hosts=(box,))
    box.close()

@pytest.mark.timeout(1)
def test_of_a_fixture(fleet):
    assert len(fleet.hosts) == 2

def test_of_its_own():
    box = Box()
    try:
        with kept_if_failed(box):
            assert box.name == "house"
    finally:
        box.close()

def test_without_a_machine():
    assert 1 == 2

def test_good(fleet):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_sample.py").write_text(TESTS)
    return tmp_path


def argv_of(folder: Path, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-q", f"--rootdir={folder}", "-p", "no:cacheprovider"),
        *("-p", "tests.support.keep", f"{folder}/test_sample.py", *arguments),
    ]


ENVIRONMENT = {"PYTHONPATH": f"{ROOT}/packaging:{ROOT}"}


@pytest.mark.parametrize("test", ["test_of_a_fixture", "test_of_its_own"])
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_failed_test_waits_until_the_user_lets_go(folder: Path, test: str, workers: tuple[str, ...]) -> None:
    shell = ["sh", "-c", 'cd "$1"; shift; exec "$@"', "sh", str(folder)]
    process = start([*shell, *argv_of(folder, "--keep", "-k", test, *workers)], log=folder / "log", env=ENVIRONMENT)
    deadline = time.monotonic() + 120
    while not (found := re.search(r"remove: rm (\S+)\n", (folder / "log").read_text())):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.1)
    time.sleep(1.5)  # longer than the test's own limit
    assert process.poll() is None, "it waits"
    assert (folder / "box").exists(), "the machine is there"
    Path(found[1]).unlink()
    assert process.wait(60) == 1
    assert not (folder / "box").exists()
    text = (folder / "log").read_text()
    assert text.count("  enter box: enter the box\n") == 1, "it waits once for one failure"
    assert "kept: " in text
    assert test in text


def test_nothing_waits_where_no_machine_is_and_where_it_was_not_asked_for(folder: Path) -> None:
    for arguments in (("--keep", "-k", "machine or good"), ()):
        done = run(argv_of(folder, *arguments), cwd=folder, env=ENVIRONMENT, timeout=60, check=False)
        assert done.returncode == 1
        assert "kept: " not in done.output
