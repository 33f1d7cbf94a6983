"""What a run left of each story: its outcome, its time, its error and the command that repeats it.

`tests/support/record.py` writes a line of JSON for each phase of each test; this is the only reader.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from consul_docker_host.core.report import table

SHOWN = 5  # slowest stories and fixtures
LISTED = 30  # failures
REASON_COLUMNS = 160


class Outcome(StrEnum):
    """How a story ended; an error is a failure outside the story itself, such as in a fixture."""

    passed = "passed"
    skipped = "skipped"
    failed = "failed"
    error = "error"

    @property
    def is_bad(self) -> bool:
        """Whether the run fails because of it."""
        return self in {Outcome.failed, Outcome.error}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One test or step of a suite.

    ``group`` are the stories that stay together (a file, or a distribution's host); ``is_alone`` whether it can run
    without those before it in its file. ``earlier`` is the error of a former attempt, where a retry passed.
    """

    suite: str
    name: str
    group: str = ""
    outcome: Outcome = Outcome.passed
    seconds: float = 0.0
    reason: str = ""
    text: str = ""
    earlier: str = ""
    is_alone: bool = True
    fixtures: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteResult:
    """The stories of one suite, and how many seconds the whole took."""

    suite: str
    stories: tuple[Story, ...]
    seconds: float

    @property
    def failures(self) -> tuple[Story, ...]:
        """The stories because of which the suite has failed."""
        return tuple(story for story in self.stories if story.outcome.is_bad)

    @property
    def flaky(self) -> tuple[Story, ...]:
        """The stories that passed only when they were retried."""
        return tuple(story for story in self.stories if story.earlier and not story.outcome.is_bad)

    def group_seconds(self) -> dict[str, float]:
        """Return the seconds of each group of stories."""
        found: dict[str, float] = {}
        for story in self.stories:
            if story.group:
                found[story.group] = found.get(story.group, 0.0) + story.seconds
        return found


def step_result(suite: str, seconds: float, errors: dict[str, str]) -> SuiteResult:
    """Return the result of a suite without pytest, such as lint: what each of its steps complained about, or nothing.

    The time is given to the first step, since they are not timed one by one.
    """
    stories = [
        Story(
            suite=suite,
            name=name,
            group=suite,
            outcome=Outcome.failed if text else Outcome.passed,
            seconds=0.0 if number else seconds,
            reason=first_line(text),
            text=text,
        )
        for number, (name, text) in enumerate(errors.items())
    ]
    return SuiteResult(suite=suite, stories=tuple(stories), seconds=seconds)


def first_line(text: str) -> str:
    """Return the first line that is not empty, shortened."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= REASON_COLUMNS else f"{line[: REASON_COLUMNS - 3]}..."


def read_record(path: Path, suite: str) -> tuple[Story, ...]:
    """Return the stories of a record in the order in which they began; a killed run's last line may be cut off."""
    phases: dict[str, list[dict[str, Any]]] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        try:
            phase = json.loads(line)
        except ValueError:
            continue
        phases.setdefault(phase["id"], []).append(phase)
    return tuple(story_of(suite, name, found) for name, found in phases.items())


def story_of(suite: str, name: str, phases: Sequence[dict[str, Any]]) -> Story:
    """Return one story from its phases: setup, call and teardown."""
    bad = [phase for phase in phases if phase["outcome"] == "failed"]
    ended = any(phase["when"] in {"teardown", "collect"} for phase in phases)
    if bad:
        outcome = Outcome.failed if bad[0]["when"] == "call" else Outcome.error
    elif not ended:
        outcome = Outcome.error
    else:
        outcome = Outcome.skipped if any(phase["outcome"] == "skipped" for phase in phases) else Outcome.passed
    text = "\n".join(phase["text"] for phase in bad)
    unfinished = "" if bad or ended else "did not finish: the run ended before it"
    skipped = next((phase["reason"] for phase in phases if phase["outcome"] == "skipped"), "")
    return Story(
        suite=suite,
        name=name,
        group=phases[0]["group"],
        outcome=outcome,
        seconds=sum(phase["seconds"] for phase in phases),
        reason=first_line(bad[0]["reason"] or text) if bad else unfinished or skipped,
        text=text or unfinished,
        is_alone=phases[0]["is_alone"],
        fixtures=tuple((str(name), float(seconds)) for phase in phases for name, seconds in phase["fixtures"]),
    )


def after_retry(stories: Iterable[Story], retried: Iterable[Story]) -> tuple[Story, ...]:
    """Return the stories after one more attempt: what passed in any attempt has passed, and keeps its former error."""
    again = {story.name: story for story in retried}
    found = []
    for story in stories:
        later = again.pop(story.name, None)
        if story.outcome.is_bad and later and not later.outcome.is_bad:
            found.append(dataclasses.replace(later, earlier=story.text or story.reason))
        else:
            found.append(story)
    return (*found, *again.values())


def slowest(result: SuiteResult, *, shown: int = SHOWN) -> tuple[str, ...]:
    """Return the tables of a suite's slowest stories and of its slowest fixtures' setup."""
    lines: list[str] = []
    stories = sorted(result.stories, key=lambda story: -story.seconds)[:shown]
    if stories:
        rows = [(f"{story.seconds:.1f} s", story.name) for story in stories]
        lines += [f"== {result.suite}: slowest stories", *table(("time", "story"), rows)]
    setups: dict[str, list[float]] = {}
    for story in result.stories:
        for name, seconds in story.fixtures:
            setups.setdefault(name, []).append(seconds)
    fixtures = sorted(setups.items(), key=lambda item: -sum(item[1]))[:shown]
    if fixtures:
        rows3 = [(f"{sum(times):.1f} s", str(len(times)), name) for name, times in fixtures]
        lines += [f"== {result.suite}: slowest fixtures", *table(("time", "setups", "fixture"), rows3)]
    return tuple(lines)


def repeat_command(story: Story, *, is_long: bool = False) -> str:
    """Return the command that runs a failed story again, with those before it in its file where it needs them."""
    long = " --long" if is_long else ""
    if story.suite in {"lint", "verify"}:
        return f"./inv {story.suite}"
    file, _, test = story.name.partition("::")
    if not file.startswith("tests/"):
        return f"./inv test.{story.suite}{long}"
    words = [story.name]
    if test and not story.is_alone:
        words = [file, *(["-k", story.group.split()[0]] if is_of_distribution(story) else [])]
    inner = " ".join(inner_word(word) for word in words)
    return f"./inv test.{story.suite}{long} --args={quoted(inner)}"


def is_of_distribution(story: Story) -> bool:
    """Return whether a story's group is a distribution, or a file on one."""
    return bool(story.group) and not story.group.startswith("tests/")


def inner_word(word: str) -> str:
    """Return a word of --args, quoted only where the split of --args would change it."""
    try:
        return word if shlex.split(word) == [word] else shlex.quote(word)
    except ValueError:  # a quotation that does not end
        return shlex.quote(word)


def quoted(text: str) -> str:
    """Return a text in single quotes for a shell, also where it needs none: it looks the same in every summary."""
    return shlex.quote(text) if shlex.quote(text) != text else f"'{text}'"


def failure_lines(results: Iterable[SuiteResult], *, is_long: bool = False) -> list[str]:
    """Return the summary of failures: each with its reason and the one command that repeats it."""
    failures = [story for result in results for story in result.failures]
    lines = []
    for story in failures[:LISTED]:
        lines += [f"{story.suite}: {story.name}", f"    {story.reason}" if story.reason else ""]
        lines += [f"    {repeat_command(story, is_long=is_long)}"]
    if len(failures) > LISTED:
        lines.append(f"and {len(failures) - LISTED} more")
    return [line for line in lines if line]
