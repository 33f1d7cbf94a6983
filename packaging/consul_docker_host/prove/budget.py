"""tests/budget.toml: how many seconds the suites may take, and the last complete runs compared with it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import say, table
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove.times import read_run

HINT = "see the first entry; each suite is in one entry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How many seconds some suites may take together."""

    suites: tuple[str, ...]
    seconds: float


def budget_file(work: Workspace) -> Path:
    """Return the committed file."""
    return work.root / "tests" / "budget.toml"


def read_budget(work: Workspace, known: tuple[str, ...]) -> tuple[Allowance, ...]:
    """Return the budget, in which each suite is once."""
    path = budget_file(work)
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["budget"]
        budget = tuple(Allowance(suites=tuple(entry["suites"]), seconds=float(entry["seconds"])) for entry in entries)
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise BuildError(f"{path}: {error!r}", hint=HINT) from error
    named = sorted(suite for allowance in budget for suite in allowance.suites)
    if named != sorted(known):
        raise BuildError(f"{path}: has {', '.join(named)}; the suites are {', '.join(sorted(known))}", hint=HINT)
    return budget


def compare(work: Workspace, known: tuple[str, ...]) -> None:
    """Print each part of the budget beside what the last runs took; BuildError where one took more."""
    rows, over, missing = [], [], []
    for allowance in read_budget(work, known):
        runs = {suite: read_run(work, suite) for suite in allowance.suites}
        absent = [suite for suite, run in runs.items() if run is None]
        missing += absent
        name = ", ".join(allowance.suites)
        if absent:
            rows.append((name, "", f"{allowance.seconds:.0f} s", "", f"not recorded: {', '.join(absent)}"))
            continue
        seconds = sum(float(run["seconds"]) for run in runs.values() if run)
        ratio = seconds / allowance.seconds
        failed = [suite for suite, run in runs.items() if run and run["failures"]]
        note = f"failed: {', '.join(failed)}" if failed else ""
        rows.append((name, f"{seconds:.0f} s", f"{allowance.seconds:.0f} s", f"{ratio:.2f}", note))
        if ratio > 1:
            over.append(f"{name} ({ratio:.2f})")
    for line in table(("suites", "last run", "budget", "ratio", ""), rows):
        say(line.rstrip())
    if over:
        raise BuildError(
            f"over budget: {', '.join(over)}", hint="the budget holds for a warm cache and two quiet cores"
        )
    if missing:
        raise BuildError(
            f"not recorded: {', '.join(missing)}", hint=f"run ./inv test --suite {','.join(missing)}, then this again"
        )
