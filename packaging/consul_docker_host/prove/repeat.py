"""Runs one story many times, beside a load: whether it is flaky is measured, not guessed."""

from __future__ import annotations

import ast
import contextlib
import difflib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import say
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace, write_text
from consul_docker_host.prove.load import MOST as MOST_LOAD
from consul_docker_host.prove.load import running_load
from consul_docker_host.prove.results import read_record
from consul_docker_host.prove.suites import LONG_TIMEOUT, NO_TESTS, SUITES
from consul_docker_host.prove.times import results_folder

MOST_TIMES = 1000
USAGE_ERROR = 4  # pytest's exit code for a test that is not there


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The story to repeat, as pytest names it, and how often beside how much load."""

    story: str
    suite: str
    times: int
    load: int
    is_long: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """How one run ended; ``text`` is empty where it passed."""

    seconds: float
    text: str = ""


def wanted(work: Workspace, name: str, *, times: str, load: str, is_long: bool) -> Wanted:
    """Return what is asked for; BuildError has all mistakes."""
    mistakes: list[str] = []
    count = number(times, "--times", 1, MOST_TIMES, mistakes)
    processes = number(load, "--load", 0, MOST_LOAD, mistakes)
    story = story_named(work, name, mistakes)
    folder = story.partition("/")[2].partition("/")[0]
    suite = next((suite.name for suite in SUITES.values() if folder in suite.folders), "")
    if mistakes:
        raise BuildError("\n".join(mistakes), hint="./inv --help test.repeat shows the options")
    return Wanted(story=story, suite=suite, times=count, load=processes, is_long=is_long)


def number(text: str, option: str, lowest: int, highest: int, mistakes: list[str]) -> int:
    """Return an option's whole number."""
    if text.isascii() and text.isdigit() and lowest <= int(text) <= highest:
        return int(text)
    mistakes.append(f"{option} {text}: must be between {lowest} and {highest}")
    return lowest


def story_named(work: Workspace, name: str, mistakes: list[str]) -> str:
    """Return the test that a name means: a file, a test of a file, or a test's own name where only one file has it."""
    plain, bracket, parameters = name.partition("[")
    file, colons, test = plain.partition("::")
    known = dict(tests_of(work))
    if file.startswith("tests/") or file.endswith(".py"):
        paths = sorted({path for path, _ in known})
        if file not in paths:
            mistakes.append(f"{name}: no such file of tests{nearest(file, paths)}")
        elif colons and (file, test) not in known:
            mistakes.append(f"{name}: no such test{nearest(test, [one for path, one in known if path == file])}")
        return name
    files = [path for path, one in known if one == plain]
    if len(files) > 1:
        mistakes.append(f"{name}: {len(files)} files have a test of this name; give one of {', '.join(files)}")
    elif not files:
        mistakes.append(f"{name}: no such test{nearest(plain, [one for _, one in known])}")
    return f"{files[0]}::{plain}{bracket}{parameters}" if files else ""


def tests_of(work: Workspace) -> Iterator[tuple[tuple[str, str], None]]:
    """Yield the file and the name of every test of the suites."""
    for folder in (folder for suite in SUITES.values() for folder in suite.folders):
        for path in sorted((work.root / "tests" / folder).rglob("test_*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    yield (str(path.relative_to(work.root)), node.name), None


def nearest(word: str, known: list[str]) -> str:
    """Return the nearest name as a question."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def repeat(work: Workspace, chosen: Wanted) -> None:
    """Run the story as often as asked and print the report; BuildError where a run failed."""
    folder = results_folder(work) / "repeat"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"== {chosen.story}: {chosen.times} times, load {chosen.load}")
    rounds = []
    with running_load(chosen.load):
        for place in range(1, chosen.times + 1):
            one = run_once(work, chosen, folder / f"{place}.jsonl")
            rounds.append(one)
            if one.text:
                write_text(folder / f"{place}.txt", one.text)
            result = f"failed: {folder / f'{place}.txt'}" if one.text else "passed"
            say(f"{place} of {chosen.times}: {one.seconds:.1f} s, load {os.getloadavg()[0]:.1f}: {result}")
    conclude(chosen, rounds, folder)


def run_once(work: Workspace, chosen: Wanted, record: Path) -> Round:
    """Run the story once and return how it ended."""
    argv = [sys.executable, "-m", "pytest", chosen.story, "-q", f"--record={record}"]
    if chosen.is_long:
        argv.append("--long")
    begin = time.monotonic()
    # The caller's own variables, such as FPM_GEMS, count as they do in `inv test`.
    result = run(argv, cwd=work.root, env=os.environ, timeout=LONG_TIMEOUT, check=False)
    seconds = time.monotonic() - begin
    if result.returncode in {NO_TESTS, USAGE_ERROR}:
        reason = f"{chosen.story}: pytest selected no test\n{result.output.strip()}"
        raise BuildError(reason, hint="a story of the long form needs --long")
    if result.returncode == 0:
        with contextlib.suppress(OSError):
            record.unlink()
        return Round(seconds=seconds)
    failures = [f"{story.name}\n{story.text}" for story in read_record(record, chosen.suite) if story.outcome.is_bad]
    return Round(seconds=seconds, text="\n".join(failures) or result.output)


def conclude(chosen: Wanted, rounds: list[Round], folder: Path) -> None:
    """Print how often it passed, and how fast; BuildError where it did not always."""
    seconds = [one.seconds for one in rounds]
    failed = [place for place, one in enumerate(rounds, 1) if one.text]
    passed = len(rounds) - len(failed)
    say(f"== passed {passed} of {len(rounds)}; fastest {min(seconds):.1f} s, slowest {max(seconds):.1f} s")
    if failed:
        raise BuildError(
            f"{chosen.story}: failed {len(failed)} of {len(rounds)} times",
            hint=f"first failure: {folder / f'{failed[0]}.txt'}",
        )
