"""The benchmark: compares medians, says which goals are met, and touches no build of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.programs import Fpm
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.prove import bench_build


def test_a_ratio_is_met_up_to_its_goal() -> None:
    assert bench_build.Ratio(label="x", value=1.5, goal=1.5).row() == ("1.50", "<= 1.50", "met", "x")
    assert bench_build.Ratio(label="x", value=1.51, goal=1.5).row()[2] == "missed"


def test_jobs_are_timed_in_turn_and_the_median_counts() -> None:
    order: list[str] = []
    seconds = iter([9.0, 9.0, 1.0, 10.0, 5.0, 20.0, 3.0, 30.0])

    def job(name: str) -> float:
        order.append(name)
        return next(seconds)

    medians = bench_build.measure({"a": lambda: job("a"), "bare": lambda: job("bare")}, 3)
    assert order == ["a", "bare"] * 4
    assert medians == {"a": 3.0, "bare": 20.0}


def test_a_copy_of_the_project_can_be_built(tmp_path: Path) -> None:
    bench_build.copy_project(ROOT, tmp_path / "copy")
    assert (tmp_path / "copy" / "tasks.py").is_file()
    assert not (tmp_path / "copy" / "dist").exists()
    names = list(bench_build.jobs(tmp_path / "copy", tmp_path, Fpm(program=Path("/fpm"))))
    assert len(bench_build.ratios(dict.fromkeys(names, 1.0))) >= 4


def test_without_fpm_there_is_nothing_to_compare_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_build, "find_fpm", lambda: None)
    with pytest.raises(BuildError, match="fpm is not installed"):
        bench_build.build(Workspace(root=tmp_path), rounds=1)
