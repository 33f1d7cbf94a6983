"""tests/times.toml: how many seconds each group of stories takes, so that shards are balanced on every machine.

The file is committed: machines of a pipeline start without a cache, and all of them must split the stories alike.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace, write_text
from consul_docker_host.prove.results import SuiteResult

Times = dict[str, dict[str, float]]
HEAD = """\
# Seconds of each suite's groups of stories in the short form, by which `./inv test --shard K/N` is balanced.
# `./inv test.times` writes this file from the last complete runs in this checkout.
"""


def times_file(work: Workspace) -> Path:
    """Return the committed file."""
    return work.root / "tests" / "times.toml"


def results_folder(work: Workspace) -> Path:
    """Return where the last run of each suite is recorded."""
    return work.build / "results"


def read_times(work: Workspace) -> Times:
    """Return the seconds of each group by its suite."""
    path = times_file(work)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        return {suite: {group: float(seconds) for group, seconds in table.items()} for suite, table in tables.items()}
    except (OSError, AttributeError, TypeError, ValueError) as error:
        raise BuildError(f"{path}: {error}", hint="./inv test.times writes it, after a run of ./inv test") from error


def times_text(times: Mapping[str, Mapping[str, float]]) -> str:
    """Return the file's text; suites keep the order that they have, groups are sorted."""
    lines = [HEAD]
    for suite, groups in times.items():
        lines.append(f"[{suite}]")
        lines += [f"{json.dumps(group)} = {max(seconds, 0.1):.1f}" for group, seconds in sorted(groups.items())]
        lines.append("")
    return "\n".join(lines)


def save_run(work: Workspace, result: SuiteResult) -> None:
    """Record a complete run of a suite in its short form, for `./inv bench.test` and `./inv test.times`."""
    record = {"seconds": result.seconds, "failures": len(result.failures), "groups": result.group_seconds()}
    write_text(results_folder(work) / f"{result.suite}.json", json.dumps(record, indent=1) + "\n")


def read_run(work: Workspace, suite: str) -> dict[str, Any] | None:
    """Return the last complete run of a suite; None where none is recorded."""
    try:
        record = json.loads((results_folder(work) / f"{suite}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def rewrite_times(work: Workspace, suites: tuple[str, ...]) -> tuple[str, ...]:
    """Write the file from the recorded runs and return their suites; those without a good run keep their times."""
    path = times_file(work)
    former = read_times(work) if path.exists() else {}
    runs = {suite: run for suite in suites if (run := read_run(work, suite)) and not run["failures"]}
    if not runs:
        raise BuildError(f"{results_folder(work)}: contains no complete run without a failure", hint="run ./inv test")
    found = {suite: runs[suite]["groups"] if suite in runs else former.get(suite, {}) for suite in suites}
    write_text(path, times_text({suite: groups for suite, groups in found.items() if groups}))
    return tuple(runs)
