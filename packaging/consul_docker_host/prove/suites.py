"""The test suites and linters as tasks run them: which pytest folders, with what, and for how long at most."""

from __future__ import annotations

import functools
import os
import shlex
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from consul_docker_host.core import programs
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import say, stage
from consul_docker_host.core.run import find_program, follow
from consul_docker_host.core.workspace import Workspace, cache_folder
from consul_docker_host.prove import system_packages
from consul_docker_host.prove.consul_binary import consul_binary
from consul_docker_host.prove.distributions import select

SUITE_TIMEOUT = 4500.0
LONG_TIMEOUT = 4 * 3600.0
# They build with both backends and ask every parser.
JUDGING = frozenset({"unit", "package", "verify"})
# They build with both backends, the last two as well.
BUILDING = JUDGING | {"install", "deploy", "image"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A part of the tests: its folders below tests/, and how many of its tests run at a time.

    As many ``workers`` run as there are processors at most, and ``beside`` them as many as the waiting of the others
    leaves time for. Tests that are ``independent`` go to whichever worker is free; those of a story stay with one. One
    that ``takes_packages`` needs dist/ as built.
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
        # It publishes and serves by itself; what it installs is what was built.
        Suite(name="repository", folders=("repository",), workers=2, takes_packages=True),
        # A fleet's stories follow one another; two fleets, mostly waiting for theirs, go side by side.
        Suite(name="deploy", folders=("deploy",), workers=2, takes_packages=True),
        # One story at a time: its guests take both cores of a small machine, and all the time that the others share.
        Suite(name="vm", folders=("vm",), takes_packages=True),
        Suite(name="image", folders=("image",), takes_packages=True),
    )
}
ALL = tuple(SUITES)


def prepare(work: Workspace, needs: Collection[str]) -> None:
    """Make sure that this machine has what the suites (or "verify") in ``needs`` take: packages, backends, a Consul."""
    known = system_packages.read_packages(work.packaging / "system-packages.toml")
    system_packages.ensure_packages(tuple(package for package in known if package.is_needed(needs)))
    if set(needs) & BUILDING and not programs.find_fpm():
        with stage("installing fpm into the cache"):
            programs.install_fpm()
    if set(needs) & JUDGING:
        ensure_consul()


def ensure_consul() -> None:
    """Put a Consul where the parsers look for one, unless the machine has its own."""
    link = cache_folder("bin") / "consul"
    if find_program("consul", first=[link.parent]):
        return
    with stage("getting a Consul"):
        binary = consul_binary()
    link.unlink(missing_ok=True)
    link.symlink_to(binary)


def story_options(work: Workspace, *, distro: str, story: str) -> str:
    """Return pytest's options for one distribution and one story; BuildError lists the known ones where it is none."""
    select(distro)
    known = sorted(path.stem.removeprefix("test_") for path in (work.root / "tests" / "install").glob("test_*.py"))
    if story and not [name for name in known if story in name]:
        raise BuildError(f"--story {story}: matches no story", hint="known: " + ", ".join(known))
    return shlex.join(f"--{name}={value}" for name, value in (("distro", distro), ("story", story)) if value)


def run_suite(work: Workspace, suite: Suite, *, long: bool, args: str) -> bool:
    """Run one suite and tell whether all its tests passed."""
    folders = [f"tests/{folder}" for folder in suite.folders]
    argv = [sys.executable, "-m", "pytest", *folders, "-q"]
    if suite.workers:
        workers = min(suite.workers, os.cpu_count() or 1) + suite.beside
        argv += ["-n", str(workers), "--dist", "worksteal" if suite.independent else "loadgroup"]
    if long:
        argv.append("--long")
    say(f"== {suite.name}: {' '.join(folders)}")
    timeout = LONG_TIMEOUT if long else SUITE_TIMEOUT
    return follow([*argv, *shlex.split(args)], cwd=work.root, timeout=timeout) == 0


def run_figures(work: Workspace, file: str, *, rounds: int) -> bool:
    """Take the figures of a file below tests/, each ``rounds`` times, and tell whether all could be taken."""
    argv = [sys.executable, "-m", "pytest", f"tests/{file}", "-q", "--capture=no", f"--rounds={rounds}"]
    return follow(argv, cwd=work.root, timeout=SUITE_TIMEOUT) == 0


def run_suites(
    names: Sequence[str], *, first: Mapping[str, Callable[[], bool]] | None = None, long: bool = False, args: str = ""
) -> None:
    """Run the steps of ``first``, then the suites, all even when one fails; BuildError names those that did."""
    work = Workspace()
    steps: dict[str, Callable[[], bool]] = dict(first or {})
    for name in names:
        steps[name] = functools.partial(run_suite, work, SUITES[name], long=long, args=args)
    failed: list[str] = []
    times: list[str] = []
    for name, step in steps.items():
        begin = time.monotonic()
        if not step():
            failed.append(name)
        times.append(f"{name} {time.monotonic() - begin:.0f} s")
    say(f"== {', '.join(times)}")
    if failed:
        raise BuildError(f"failed: {', '.join(failed)}", hint=f"one alone: ./inv {_task(failed[0])}")


def _task(name: str) -> str:
    return f"test.{name}" if name in SUITES else name
