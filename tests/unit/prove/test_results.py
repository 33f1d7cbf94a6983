"""Results: read from a record as pytest wrote it, also from a run that was killed; each failure has its command."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.results import (
    Outcome,
    Story,
    SuiteResult,
    after_retry,
    failure_lines,
    read_record,
    repeat_command,
    slowest,
    step_result,
)

TESTS = """
import time
import pytest

@pytest.fixture(scope="module")
def slow():
    time.sleep(0.2)

@pytest.fixture
def broken():
    raise ValueError("no machine")

@pytest.fixture
def dirty():
    yield
    raise ValueError("left over")

def test_good(slow): pass
def test_bad(slow): assert "bad" == "worse"
def test_error(broken): pass
def test_teardown(dirty): pass
@pytest.mark.skip(reason="not today")
def test_skipped(): pass
"""
SEQUENCE = "import pytest\npytestmark = pytest.mark.sequence\ndef test_step(): pass\n"


@pytest.fixture(scope="module", params=[(), ("-n", "2")], ids=["alone", "xdist"])
def stories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    """Return the stories of a real run of pytest with the project's plugin, in one process and with workers."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "test_sample.py").write_text(TESTS)
    (folder / "test_sequence.py").write_text(SEQUENCE)
    (folder / "test_broken.py").write_text("import nothing_of_this_name\n")
    record = folder / "record.jsonl"
    plugins = [
        "-p",
        "tests.support.sequence",
        "-p",
        "tests.support.record",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
    ]
    argv = ["-m", "pytest", "-q", f"--rootdir={folder}", *plugins, f"--record={record}", *request.param, "."]
    done = run([sys.executable, *argv], cwd=folder, env={"PYTHONPATH": f"{ROOT}/packaging:{ROOT}"}, check=False)
    assert record.read_text(), done.output
    return {story.name: story for story in read_record(record, "unit")}


def test_each_story_has_its_outcome_reason_and_text(stories: dict[str, Story]) -> None:
    outcomes = {name.rpartition("::")[2]: story.outcome for name, story in stories.items()}
    assert outcomes == {
        "test_good": Outcome.passed,
        "test_bad": Outcome.failed,
        "test_error": Outcome.error,
        "test_teardown": Outcome.error,
        "test_skipped": Outcome.skipped,
        "test_step": Outcome.passed,
        "test_broken.py": Outcome.error,
    }
    bad = stories["test_sample.py::test_bad"]
    assert bad.reason.startswith("AssertionError: assert 'bad' == 'worse'")
    assert 'def test_bad(slow): assert "bad" == "worse"' in bad.text
    assert stories["test_sample.py::test_error"].reason == "ValueError: no machine"
    assert stories["test_sample.py::test_skipped"].reason == "Skipped: not today"
    assert "nothing_of_this_name" in stories["test_broken.py"].text


def test_a_setup_is_counted_once_with_its_own_time(stories: dict[str, Story]) -> None:
    setups = [seconds for story in stories.values() for name, seconds in story.fixtures if name == "slow"]
    assert len(setups) in {1, 2}, "once for each process"
    assert all(0.2 <= seconds < 2 for seconds in setups)


def test_a_step_of_a_sequence_is_not_alone(stories: dict[str, Story]) -> None:
    assert [name for name, story in stories.items() if not story.is_alone] == ["test_sequence.py::test_step"]


def test_a_killed_run_leaves_what_it_had_done_and_its_last_story_is_an_error(tmp_path: Path) -> None:
    line = {"id": "t.py::a", "group": "t.py", "when": "setup", "outcome": "passed", "seconds": 1.0}
    more = {"reason": "", "text": "", "fixtures": [], "is_alone": True}
    text = json.dumps(line | more)
    (tmp_path / "record").write_text(f"{text}\n{text[:20]}")
    (story,) = read_record(tmp_path / "record", "unit")
    assert (story.outcome, story.reason) == (Outcome.error, "did not finish: the run ended before it")
    assert read_record(tmp_path / "nothing", "unit") == ()


def test_after_a_retry_what_passed_in_any_attempt_has_passed() -> None:
    def story(name: str, outcome: Outcome, text: str = "") -> Story:
        return Story(suite="unit", name=name, outcome=outcome, text=text)

    first = [story("a", Outcome.failed, "first"), story("b", Outcome.passed), story("c", Outcome.error, "c1")]
    again = [story("a", Outcome.passed), story("b", Outcome.failed, "later"), story("c", Outcome.failed, "c2")]
    merged = {one.name: one for one in after_retry(first, again)}
    assert {name: one.outcome for name, one in merged.items()} == {
        "a": Outcome.passed,
        "b": Outcome.passed,
        "c": Outcome.error,
    }
    assert merged["a"].earlier == "first"
    assert [one.name for one in SuiteResult(suite="unit", stories=tuple(merged.values()), seconds=1).flaky] == ["a"]


@pytest.mark.parametrize(
    ("story", "command"),
    [
        (Story(suite="lint", name="mypy"), "./inv lint"),
        (Story(suite="verify", name="verify"), "./inv verify"),
        (Story(suite="unit", name="pytest"), "./inv test.unit"),
        (
            Story(suite="install", name="tests/install/test_x.py::test_y[debian-13]"),
            "./inv test.install --args='tests/install/test_x.py::test_y[debian-13]'",
        ),
        (
            Story(suite="unit", name="tests/unit/test_x.py::test_y"),
            "./inv test.unit --args='tests/unit/test_x.py::test_y'",
        ),
        (
            Story(
                suite="install",
                name="tests/install/test_x.py::test_y[debian-13]",
                group="debian-13 tests/install/test_x.py",
                is_alone=False,
            ),
            "./inv test.install --args='tests/install/test_x.py -k debian-13'",
        ),
        (
            Story(suite="vm", name="tests/vm/test_x.py::test_y", group="tests/vm/test_x.py", is_alone=False),
            "./inv test.vm --args='tests/vm/test_x.py'",
        ),
    ],
)
def test_one_command_repeats_a_failure(story: Story, command: str) -> None:
    assert repeat_command(story) == command


@pytest.mark.parametrize("parameter", ["a b", "it's", 'say "x"', "back\\slash", "$HOME `id`", "a;b|c", "'", '"', "#x"])
def test_the_command_names_the_very_story_whatever_its_parameters_hold(parameter: str) -> None:
    name = f"tests/unit/test_x.py::test_y[{parameter}]"
    words = shlex.split(repeat_command(Story(suite="unit", name=name), is_long=True))
    assert words[:3] == ["./inv", "test.unit", "--long"]
    assert shlex.split(words[3].removeprefix("--args=")) == [name]


def test_a_summary_of_many_failures_ends() -> None:
    stories = tuple(Story(suite="unit", name=f"tests/unit/t.py::{n}", outcome=Outcome.failed) for n in range(40))
    lines = failure_lines([SuiteResult(suite="unit", stories=stories, seconds=1)])
    assert len(lines) == 61
    assert lines[-1] == "and 10 more"


def test_the_slowest_come_first_and_setups_are_added_up() -> None:
    stories = tuple(
        Story(suite="vm", name=f"t{n}", seconds=float(n), fixtures=(("guest", float(n)), ("lan", 0.5)))
        for n in range(9)
    )
    lines = slowest(SuiteResult(suite="vm", stories=stories, seconds=50), shown=2)
    assert lines == (
        "== vm: slowest stories",
        "time   story",
        "8.0 s  t8",
        "7.0 s  t7",
        "== vm: slowest fixtures",
        "time    setups  fixture",
        "36.0 s  9       guest",
        "4.5 s   9       lan",
    )


def test_a_step_without_pytest_has_a_story_for_each_part() -> None:
    result = step_result("lint", 12.0, {"ruff check": "", "mypy": "\na.py:1: error\nmore"})
    assert [(one.name, one.outcome, one.reason) for one in result.stories] == [
        ("ruff check", Outcome.passed, ""),
        ("mypy", Outcome.failed, "a.py:1: error"),
    ]
    assert result.group_seconds() == {"lint": 12.0}
