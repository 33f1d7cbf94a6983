"""Run the test suites and linters for the tasks: their pytest directories, options and time limits."""

from __future__ import annotations

import functools
import os
import shlex
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from consul_docker_host.core import programs
from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.core.report import say, stage
from consul_docker_host.core.run import find_program, follow
from consul_docker_host.core.workspace import Workspace, cache_folder
from consul_docker_host.prove import system_packages
from consul_docker_host.prove.consul_binary import consul_binary
from consul_docker_host.prove.distributions import select

SUITE_TIMEOUT = 4500.0
LONG_TIMEOUT = 4 * 3600.0
# These suites build with both backends and run every parser.
VALIDATING = frozenset({"unit", "package", "verify"})
# These suites build with both backends.
BUILDING = VALIDATING | {"install", "deploy", "image"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A part of the tests: its directories below tests/, and how many of its tests run in parallel.

    A suite that ``takes_packages`` needs the packages in dist/.
    """

    name: str
    folders: tuple[str, ...]
    workers: int = 0
    takes_packages: bool = False


SUITES = {
    suite.name: suite
    for suite in (
        Suite(name="unit", folders=("unit", "host"), workers=2),
        Suite(name="package", folders=("package",), workers=2),
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


def run_suite(work: Workspace, suite: Suite, *, long: bool, args: str) -> bool:
    """Run one suite and return whether all its tests passed."""
    folders = [f"tests/{folder}" for folder in suite.folders]
    argv = [sys.executable, "-m", "pytest", *folders, "-q"]
    if suite.workers:
        argv += ["-n", str(min(suite.workers, os.cpu_count() or 1)), "--dist", "loadgroup"]
    if long:
        argv.append("--long")
    say(f"== {suite.name}: {' '.join(folders)}")
    timeout = LONG_TIMEOUT if long else SUITE_TIMEOUT
    return follow([*argv, *shlex.split(args)], cwd=work.root, timeout=timeout) == 0


def run_figures(work: Workspace, file: str, *, rounds: int) -> bool:
    """Run the benchmark in a file below tests/, each figure ``rounds`` times, and return whether it succeeded."""
    argv = [sys.executable, "-m", "pytest", f"tests/{file}", "-q", "--capture=no", f"--rounds={rounds}"]
    return follow(argv, cwd=work.root, timeout=SUITE_TIMEOUT) == 0


def run_suites(
    names: Sequence[str], *, first: Mapping[str, Callable[[], bool]] | None = None, long: bool = False, args: str = ""
) -> None:
    """Run the steps of ``first``, then the suites, all of them even if one fails; BuildError names the failed ones."""
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
        raise BuildError(f"failed: {', '.join(failed)}", hint=f"to repeat one: ./inv {_task(failed[0])}")


def _task(name: str) -> str:
    return f"test.{name}" if name in SUITES else name
