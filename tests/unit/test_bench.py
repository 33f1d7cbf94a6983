"""The benchmark: compares medians, says which goals are met, and touches no build of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host import bench, commands
from consul_docker_host.errors import BuildError
from consul_docker_host.toolbox import Fpm
from consul_docker_host.workspace import ROOT, Workspace


def test_a_ratio_is_met_up_to_its_goal() -> None:
    assert bench.Ratio(what="x", value=1.5, goal=1.5).row() == ("1.50", "<= 1.50", "met", "x")
    assert bench.Ratio(what="x", value=1.51, goal=1.5).row()[2] == "missed"


def test_jobs_are_timed_in_turn_and_the_median_counts() -> None:
    order: list[str] = []
    seconds = iter([9.0, 9.0, 1.0, 10.0, 5.0, 20.0, 3.0, 30.0])

    def job(name: str) -> float:
        order.append(name)
        return next(seconds)

    medians = bench.measure({"a": lambda: job("a"), "bare": lambda: job("bare")}, 3)
    assert order == ["a", "bare"] * 4
    assert medians == {"a": 3.0, "bare": 20.0}


def test_a_copy_of_the_project_can_be_built(tmp_path: Path) -> None:
    bench.copy_project(ROOT, tmp_path / "copy")
    assert (tmp_path / "copy" / "tasks.py").is_file()
    assert not (tmp_path / "copy" / "dist").exists()
    names = list(bench.jobs(tmp_path / "copy", tmp_path, Fpm(program=Path("/fpm"))))
    assert len(bench.ratios(dict.fromkeys(names, 1.0))) >= 4


def test_no_rounds_or_no_fpm_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rounds in ("0", "-1", "x", "", "1000"):
        with pytest.raises(BuildError, match=f"--rounds {rounds}"):
            commands.bench_build(rounds=rounds)
    monkeypatch.setattr(bench, "find_fpm", lambda: None)
    with pytest.raises(BuildError, match="fpm is not installed"):
        bench.build(Workspace(root=tmp_path), rounds=1)
