"""Recorded times: written from complete runs, and read as they were written."""

from __future__ import annotations

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove.results import Outcome, Story, SuiteResult
from consul_docker_host.prove.times import read_run, read_times, rewrite_times, save_run, times_file, times_text


def result_of(suite: str, *seconds: float, outcome: Outcome = Outcome.passed) -> SuiteResult:
    stories = [
        Story(suite=suite, name=str(n), group=f'"{suite}" {n % 2}', seconds=one, outcome=outcome)
        for n, one in enumerate(seconds)
    ]
    return SuiteResult(suite=suite, stories=tuple(stories), seconds=50.0)


@pytest.fixture
def times_work(work: Workspace) -> Workspace:
    times_file(work).parent.mkdir()
    return work


def test_what_is_written_is_read_again(times_work: Workspace) -> None:
    times = {"unit": {"b": 2.0, 'a "quoted" \\ b': 0.1}, "vm": {"c": 3.5}}
    times_file(times_work).write_text(times_text(times))
    assert read_times(times_work) == times
    assert list(read_times(times_work)) == ["unit", "vm"]


def test_good_runs_replace_times_and_the_others_stay(times_work: Workspace) -> None:
    times_file(times_work).write_text(times_text({"unit": {"old": 1.0}, "vm": {"kept": 3.5}, "deploy": {"kept": 2.0}}))
    save_run(times_work, result_of("unit", 1.0, 2.0, 4.0))
    save_run(times_work, result_of("deploy", 1.0, outcome=Outcome.failed))
    assert rewrite_times(times_work, ("unit", "deploy", "vm", "image")) == ("unit",)
    assert read_times(times_work) == {
        "unit": {'"unit" 0': 5.0, '"unit" 1': 2.0},
        "deploy": {"kept": 2.0},
        "vm": {"kept": 3.5},
    }


def test_without_a_run_nothing_is_written(times_work: Workspace) -> None:
    with pytest.raises(BuildError, match="contains no complete run without a failure"):
        rewrite_times(times_work, ("unit",))
    assert not times_file(times_work).exists()


def test_a_run_is_recorded_with_its_failures(times_work: Workspace) -> None:
    assert read_run(times_work, "vm") is None
    save_run(times_work, result_of("vm", 1.0, outcome=Outcome.error))
    assert read_run(times_work, "vm") == {"seconds": 50.0, "failures": 1, "groups": {'"vm" 0': 1.0}}


@pytest.mark.parametrize("text", ["unit = 3", "[unit", '[unit]\na = "x"'])
def test_a_broken_file_is_one_error(times_work: Workspace, text: str) -> None:
    times_file(times_work).write_text(text)
    with pytest.raises(BuildError, match=r"times\.toml: .*\n  \./inv test\.times writes it"):
        read_times(times_work)
