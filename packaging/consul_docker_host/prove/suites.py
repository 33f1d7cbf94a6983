"""Run the test suites and linters for the tasks: their pytest directories, options and time limits."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core import programs
from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.core.report import say, stage
from consul_docker_host.core.run import find_program, follow
from consul_docker_host.core.workspace import Workspace, cache_folder
from consul_docker_host.prove import system_packages
from consul_docker_host.prove.choices import Choice
from consul_docker_host.prove.consul_binary import consul_binary
from consul_docker_host.prove.distributions import select
from consul_docker_host.prove.junit import write_junit
from consul_docker_host.prove.results import (
    Outcome,
    Story,
    SuiteResult,
    after_retry,
    failure_lines,
    first_line,
    read_record,
    slowest,
    step_result,
)
from consul_docker_host.prove.shards import Part, parts_of
from consul_docker_host.prove.times import read_times, results_folder, save_run

SUITE_TIMEOUT = 4500.0
LONG_TIMEOUT = 4 * 3600.0
# A user may look at a failed machine for as long as it takes.
KEPT_TIMEOUT = 24 * 3600.0
FAILED = frozenset({1, 2})  # pytest's exit codes where tests failed, or their files could not be read
NO_TESTS = 5  # pytest's exit code where nothing was selected
# pytest's options whose value, in a word of its own, is a path.
PATH_OPTIONS = frozenset({"--ignore", "--deselect", "--rootdir", "--confcutdir", "--basetemp", "-c", "--config-file"})
# These suites build with both backends and run every parser.
VALIDATING = frozenset({"unit", "package", "verify"})
# These suites build with both backends.
BUILDING = VALIDATING | {"install", "deploy", "image"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A part of the tests: its directories below tests/, and how many of its tests run in parallel.

    At most as many ``workers`` run as there are processors, and ``beside`` them as many as the waiting of the others
    leaves time for. Tests that are ``independent`` go to whichever worker is free; those of a story stay with one. A
    suite that ``takes_packages`` needs the packages in dist/.
    """

    name: str
    folders: tuple[str, ...]
    workers: int = 0
    beside: int = 0
    independent: bool = False
    takes_packages: bool = False


SUITES = {
    suite.name: suite
    for suite in (
        # A third of their time is waiting: for a disk, for a limit that is to be reached, for a server's answer.
        Suite(name="unit", folders=("unit", "host"), workers=2, beside=1, independent=True),
        Suite(name="package", folders=("package",), workers=2, beside=1, independent=True),
        Suite(name="install", folders=("install",), workers=2, takes_packages=True),
        # It publishes and serves the repository itself, but installs the packages from dist/.
        Suite(name="repository", folders=("repository",), workers=2, takes_packages=True),
        # The stories of a fleet depend on each other; two fleets run in parallel, because they mostly wait.
        Suite(name="deploy", folders=("deploy",), workers=2, takes_packages=True),
        # Stories run one at a time, because the guests of one story occupy both cores of a small machine.
        Suite(name="vm", folders=("vm",), takes_packages=True),
        Suite(name="image", folders=("image",), takes_packages=True),
    )
}
ALL = tuple(SUITES)
# What `./inv test` runs: two steps without pytest, then the suites.
EVERYTHING = ("lint", "verify", *ALL)


def prepare(work: Workspace, needs: Collection[str]) -> None:
    """Install the tools of the suites (or "verify") in ``needs``: system packages, backends, a Consul."""
    packages = system_packages.read_packages(work.packaging / "system-packages.toml")
    system_packages.ensure_packages(tuple(package for package in packages if package.is_needed(needs)))
    if set(needs) & BUILDING and not programs.find_fpm():
        with stage("installing fpm into the cache"):
            programs.install_fpm()
    if set(needs) & VALIDATING:
        ensure_consul()


def ensure_consul() -> None:
    """Link a Consul at the path where the parsers look for it, unless the machine has its own."""
    link = cache_folder("bin") / "consul"
    if find_program("consul", first=[link.parent]):
        return
    with stage("downloading or building Consul"):
        binary = consul_binary()
    link.unlink(missing_ok=True)
    link.symlink_to(binary)


def story_options(work: Workspace, *, distro: str, story: str) -> str:
    """Return pytest's options for one distribution and one story; BuildError lists the known ones for a wrong name."""
    stories = sorted(path.stem.removeprefix("test_") for path in (work.root / "tests" / "install").glob("test_*.py"))
    mistakes = Mistakes()
    with mistakes.collected():
        select(distro)
    with mistakes.collected():
        if story and not [name for name in stories if story in name]:
            raise BuildError(f"--story {story}: matches no story", hint="known: " + ", ".join(stories))
    mistakes.refuse()
    return shlex.join(f"--{name}={value}" for name, value in (("distro", distro), ("story", story)) if value)


def pytest_command(suite: Suite, *, choice: Choice, args: str, root: Path) -> list[str]:
    """Return the argv of one suite; tests that ``args`` names are run instead of the whole suite."""
    words = shlex.split(args)
    folders = [] if names_tests(words, root) else [f"tests/{folder}" for folder in suite.folders]
    argv = [sys.executable, "-m", "pytest", *folders, "-q"]
    if suite.workers:
        workers = min(suite.workers, os.cpu_count() or 1) + suite.beside
        argv += ["-n", str(workers), "--dist", "worksteal" if suite.independent else "loadgroup"]
    if choice.is_long:
        argv.append("--long")
    if choice.is_kept:
        argv.append("--keep")
    return [*argv, *words]


def names_tests(words: Sequence[str], root: Path) -> bool:
    """Return whether one of pytest's arguments is a file or directory of tests, or a test in one."""
    positions = [place for place, word in enumerate(words) if word.startswith("tests/")]
    is_value = [place > 0 and words[place - 1] in PATH_OPTIONS for place in positions]
    return any(
        not value and (root / words[place].partition("::")[0]).exists()
        for place, value in zip(positions, is_value, strict=True)
    )


def run_suite(
    work: Workspace, suite: Suite, *, choice: Choice | None = None, args: str = "", part: Part | None = None
) -> SuiteResult:
    """Run one suite and return its stories; groups with a failure are run again as often as ``choice`` allows."""
    choice = choice or Choice()
    begin = time.monotonic()
    argv = pytest_command(suite, choice=choice, args=args, root=work.root)
    say(f"== {suite.name}: {' '.join(f'tests/{folder}' for folder in suite.folders)}")
    folder = results_folder(work)
    folder.mkdir(parents=True, exist_ok=True)
    if part:
        part.write(folder / f"{suite.name}.part.json")
        argv.append(f"--part={folder / f'{suite.name}.part.json'}")
    stories = recorded(work, suite, argv, choice=choice, may_be_empty=part is not None)
    for attempt in range(choice.retries):
        groups = {story.group for story in stories if story.outcome.is_bad and story.group}
        if not groups:
            break
        say(f"== {suite.name}: retry {attempt + 1} of {choice.retries}: {', '.join(sorted(groups))}")
        retry = Part(number=1, own=frozenset(groups), others=frozenset(), holders=(0,))
        retry.write(folder / f"{suite.name}.retry.json")
        again = [word for word in argv if not word.startswith("--part=")]
        again.append(f"--part={folder / f'{suite.name}.retry.json'}")
        stories = after_retry(stories, recorded(work, suite, again, choice=choice, may_be_empty=False))
    return SuiteResult(suite=suite.name, stories=stories, seconds=time.monotonic() - begin)


def timeout_of(choice: Choice) -> float:
    """Return how many seconds a suite may take."""
    if choice.is_kept:
        return KEPT_TIMEOUT
    return LONG_TIMEOUT if choice.is_long else SUITE_TIMEOUT


def recorded(
    work: Workspace, suite: Suite, argv: Sequence[str], *, choice: Choice, may_be_empty: bool
) -> tuple[Story, ...]:
    """Run pytest and return the stories that it recorded; a run that ended in another way is one more story."""
    record = results_folder(work) / f"{suite.name}.jsonl"
    record.unlink(missing_ok=True)
    try:
        code = follow([*argv, f"--record={record}"], cwd=work.root, timeout=timeout_of(choice))
        reason = f"pytest exited with {code}: see its messages above"
    except BuildError as error:
        code, reason = -1, first_line(error.message)
    stories = read_record(record, suite.name)
    is_explained = code == 0 or (code in FAILED and any(story.outcome.is_bad for story in stories))
    if is_explained or (code == NO_TESTS and may_be_empty):
        return stories
    if code == NO_TESTS:
        reason = "no test was selected"
    return (*stories, Story(suite=suite.name, name="pytest", outcome=Outcome.error, reason=reason, text=reason))


def run_figures(work: Workspace, file: str, *, rounds: int) -> bool:
    """Run the benchmark in a file below tests/, each figure ``rounds`` times, and return whether it succeeded."""
    argv = [sys.executable, "-m", "pytest", f"tests/{file}", "-q", "--capture=no", f"--rounds={rounds}"]
    return follow(argv, cwd=work.root, timeout=SUITE_TIMEOUT) == 0


Step = Callable[[], dict[str, str]]


def run_suites(
    names: Sequence[str],
    *,
    steps: Mapping[str, Step] | None = None,
    choice: Choice | None = None,
    args: Mapping[str, str] | None = None,
) -> None:
    """Run the suites and steps that ``names`` has, all even when one fails; BuildError has the summary of failures.

    ``steps`` are suites without pytest, such as lint: each returns what its parts complain about. ``args`` are pytest's
    further arguments by suite.
    """
    work, choice, given = Workspace(), choice or Choice(), args or {}
    parts = shard_parts(work, names, choice)
    results = []
    for name in names:
        if parts is not None and name not in parts:
            continue
        if steps and name in steps:
            begin = time.monotonic()
            errors = steps[name]()
            result = step_result(name, time.monotonic() - begin, errors)
        else:
            part = parts[name] if parts is not None else None
            result = run_suite(work, SUITES[name], choice=choice, args=given.get(name, ""), part=part)
            for line in slowest(result):
                say(line)
        results.append(result)
        if choice.junit:
            write_junit(choice.junit, result)
        if not (choice.shard or choice.is_long or given.get(name, "").strip()):
            save_run(work, result)
    conclude(results, choice)


def shard_parts(work: Workspace, names: Sequence[str], choice: Choice) -> dict[str, Part] | None:
    """Return what the chosen shard has of each suite; None without a shard."""
    if choice.shard is None:
        return None
    workers = {suite.name: suite.workers or 1 for suite in SUITES.values()}
    return parts_of(choice.shard, read_times(work), workers, names)


def conclude(results: Sequence[SuiteResult], choice: Choice) -> None:
    """Print the times and what was flaky; BuildError ends the output with each failure and how to repeat it."""
    for story in (story for result in results for story in result.flaky):
        say(f"flaky: {story.name} failed, and passed when it was retried")
    if choice.junit:
        say(f"== reports: {choice.junit}")
    say(f"== {', '.join(f'{result.suite} {result.seconds:.0f} s' for result in results) or 'nothing to run'}")
    failed = [result for result in results if result.failures]
    if failed:
        counts = ", ".join(f"{result.suite} ({len(result.failures)})" for result in failed)
        lines = "\n  ".join(failure_lines(results, is_long=choice.is_long))
        raise BuildError(f"failed: {counts}", hint=lines)
