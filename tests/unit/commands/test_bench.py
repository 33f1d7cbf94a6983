"""The tasks that measure: how often, and on what was built."""

from __future__ import annotations

import pytest

from consul_docker_host.commands import bench
from consul_docker_host.core.errors import BuildError
from consul_docker_host.prove.suites import EVERYTHING


@pytest.mark.parametrize("rounds", ["0", "-1", "x", "", "1000", "٢"])
def test_rounds_are_a_number_from_1_to_999(rounds: str) -> None:
    with pytest.raises(BuildError, match=f"^--rounds {rounds}: must be between 1 and 999"):
        bench.bench_build(rounds=rounds)


@pytest.mark.parametrize(("rounds", "number"), [("1", 1), ("007", 7), ("999", 999)])
def test_a_number_of_rounds_is_taken(rounds: str, number: int) -> None:
    assert bench.rounds_of(rounds) == number


@pytest.mark.parametrize(
    ("task", "suite", "file"),
    [
        (bench.bench_check, "unit", "host/bench_check.py"),
        (bench.bench_host, "vm", "vm/bench_host.py"),
        (bench.bench_install, "install", "install/bench_install.py"),
        (bench.bench_deploy, "deploy", "deploy/bench_deploy.py"),
    ],
)
def test_figures_are_taken_on_what_was_built(
    monkeypatch: pytest.MonkeyPatch, task: object, suite: str, file: str
) -> None:
    steps: list[object] = []
    suites = "consul_docker_host.prove.suites"
    monkeypatch.setattr(f"{suites}.prepare", lambda _, needs: steps.append(needs))
    monkeypatch.setattr(bench, "build_all", lambda: steps.append("built"))
    monkeypatch.setattr(f"{suites}.run_figures", lambda _, file, rounds: steps.append((file, rounds)))
    with pytest.raises(BuildError, match="the benchmark failed"):
        task(rounds="2")  # type: ignore[operator]
    assert steps == [(suite,), "built", (file, 2)]


def test_a_run_of_the_tests_is_compared_with_the_budget_of_every_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("consul_docker_host.prove.budget.compare", lambda _, suites: asked.append(suites))
    bench.bench_test()
    assert asked == [EVERYTHING]
