"""The budget: every suite is in it once, and a run is compared with it as a ratio."""

from __future__ import annotations

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove.budget import budget_file, compare, read_budget
from consul_docker_host.prove.results import Outcome, Story, SuiteResult
from consul_docker_host.prove.suites import EVERYTHING
from consul_docker_host.prove.times import save_run

TEXT = '[[budget]]\nsuites = ["lint", "unit"]\nseconds = 100\n[[budget]]\nsuites = ["vm"]\nseconds = 200\n'
KNOWN = ("lint", "unit", "vm")


@pytest.fixture
def budget_work(work: Workspace) -> Workspace:
    budget_file(work).parent.mkdir()
    budget_file(work).write_text(TEXT)
    return work


def save(work: Workspace, suite: str, seconds: float, outcome: Outcome = Outcome.passed) -> None:
    story = Story(suite=suite, name="x", group="x", outcome=outcome)
    save_run(work, SuiteResult(suite=suite, stories=(story,), seconds=seconds))


def test_the_project_s_budget_has_every_suite_and_is_22_minutes() -> None:
    budget = read_budget(Workspace(), EVERYTHING)
    assert sum(allowance.seconds for allowance in budget) == 22 * 60


def test_a_run_within_the_budget_is_shown_as_ratios(budget_work: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for suite, seconds in (("lint", 20), ("unit", 30), ("vm", 190)):
        save(budget_work, suite, seconds, Outcome.failed if suite == "vm" else Outcome.passed)
    compare(budget_work, KNOWN)
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["lint,", "unit", "50", "s", "100", "s", "0.50"],
        ["vm", "190", "s", "200", "s", "0.95", "failed:", "vm"],
    ]


def test_a_run_over_the_budget_is_an_error(budget_work: Workspace) -> None:
    for suite, seconds in (("lint", 60), ("unit", 90), ("vm", 100)):
        save(budget_work, suite, seconds)
    with pytest.raises(BuildError, match=r"^over budget: lint, unit \(1\.50\)\n"):
        compare(budget_work, KNOWN)


def test_what_was_not_run_is_named(budget_work: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    save(budget_work, "vm", 100)
    with pytest.raises(BuildError, match=r"^not recorded: lint, unit\n  run \./inv test --suite lint,unit"):
        compare(budget_work, KNOWN)
    assert "not recorded: lint, unit" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[[budget]]\nsuites = 3\n", TEXT.replace('"vm"', '"unit"'), "[[budget]"])
def test_a_budget_that_is_not_one_is_an_error(budget_work: Workspace, text: str) -> None:
    budget_file(budget_work).write_text(text)
    with pytest.raises(BuildError, match=r"budget\.toml: "):
        read_budget(budget_work, KNOWN)
