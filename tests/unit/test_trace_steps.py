"""The tracer of steps: a program is killed before exactly the step that is asked for, alone or with what it started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import ROOT
from tests.install.step_kit import choose, script_of, scripts

TRACER = ROOT / "tests/support/programs/trace_steps.py"
LINE = "mkdir made; echo a >made/a; for _ in 1 2 3; do cat made/a; done; mv made/a made/b; (rm made/b); exit 3"
STEPS = [
    "sh: exec -c " + LINE[:77],
    "sh > mkdir: exec made",
    "sh > mkdir: mkdir made",
    "sh: openat made/a",
    "sh > cat: exec made/a",
    "sh > mv: exec made/a made/b",
    "sh > mv: renameat2 made/b",
    "sh > rm: exec made/b",
    "sh > rm: unlinkat made/b",
]


def trace(folder: Path, kill: str = "", whom: str = "all") -> Result:
    """Run the line, killed before a step."""
    argv = [sys.executable, "-IB", str(TRACER), str(folder / "journal"), kill, whom, "sh", "-c", LINE]
    return run(argv, cwd=folder, check=False)


def journal(folder: Path) -> list[str]:
    """Return the steps of the last run."""
    return (folder / "journal").read_text().splitlines()


def test_each_step_is_named_once_and_the_same_in_every_run(tmp_path: Path) -> None:
    for _ in range(3):
        assert trace(tmp_path).returncode == 3
        assert journal(tmp_path) == STEPS
        (tmp_path / "made").rmdir()


@pytest.mark.parametrize("number", range(1, len(STEPS)))
def test_all_is_killed_before_the_step(tmp_path: Path, number: int) -> None:
    assert trace(tmp_path, STEPS[number]).returncode == 137
    assert journal(tmp_path) == STEPS[: number + 1]
    left = [number > STEPS.index("sh > mkdir: mkdir made"), number > STEPS.index("sh > mv: renameat2 made/b")]
    assert [(tmp_path / "made").exists(), (tmp_path / "made/b").exists()] == left


def test_what_the_first_has_started_runs_to_its_end(tmp_path: Path) -> None:
    assert trace(tmp_path, "sh > mv: exec made/a made/b", "first").returncode == 137
    assert (tmp_path / "made/b").exists(), "mv was started"
    assert journal(tmp_path) == STEPS[: STEPS.index("sh > mv: renameat2 made/b") + 1], "nothing came after it"


def test_a_step_that_does_not_come_kills_nothing(tmp_path: Path) -> None:
    assert trace(tmp_path, "sh > never: exec").returncode == 3


def test_the_moments_are_spread_over_the_manager_and_each_script() -> None:
    own = [f"dpkg: renameat2 {number}" for number in range(100)]
    first, last = "dpkg > preinst: exec install", [f"dpkg > x.postinst > ip: exec {number}" for number in range(20)]
    chosen = choose([*own[:50], first, *own[50:], *last], 10)
    assert [step for step in chosen if not script_of(step)] == [own[number] for number in (10, 30, 50, 70, 90)]
    assert scripts(chosen) == ["preinst", "postinst"]
    assert scripts(["rpm > scriptlet-1 > sh: exec", "rpm: mkdir x", "rpm > scriptlet-2: exec"]) == [
        "scriptlet-1",
        "scriptlet-2",
    ]
