"""A plugin for pytest: records each phase of each test, and runs only the part of a shard or a retry.

`consul_docker_host/prove/results.py` reads the record. With pytest-xdist the workers measure and the controller, which
gets their reports, writes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from consul_docker_host.prove.shards import read_part
from tests.support.schedule import group_of

SETUPS = pytest.StashKey[list[tuple[str, float]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("suites")
    group.addoption("--record", default="", metavar="FILE", help="write a line of JSON for each phase of each test")
    group.addoption("--part", default="", metavar="FILE", help="run only the groups of a shard, as FILE has them")


def pytest_configure(config: pytest.Config) -> None:
    """Add what the options ask for to this process."""
    config.pluginmanager.register(Meter(), "suites-meter")
    if part := str(config.getoption("part")):
        config.pluginmanager.register(Selection(Path(part)), "suites-part")
    is_worker = hasattr(config, "workerinput")
    if (record := str(config.getoption("record"))) and not is_worker:
        config.pluginmanager.register(Recorder(Path(record)), "suites-record")


class Selection:
    """Deselects the groups that are not of this shard; pytest counts them, so nothing is silent."""

    def __init__(self, path: Path) -> None:
        self._part = read_part(path)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out the other shards' groups, after every other selection."""
        other = [item for item in items if not self._part.has(group_of(item.nodeid))]
        if other:
            config.hook.pytest_deselected(items=other)
            items[:] = [item for item in items if item not in other]


class Meter:
    """Measures fixtures, and hands the times over with the report of the test that set them up."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> Iterator[None]:
        """Measure one setup; a fixture that others make is measured without them."""
        begin = time.perf_counter()
        try:
            return (yield)
        finally:
            node = request._pyfuncitem
            node.stash.setdefault(SETUPS, []).append((fixturedef.argname, time.perf_counter() - begin))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Add to a report what the controller cannot know."""
        report = cast("pytest.TestReport", (yield))
        seconds = [[name, seconds] for name, seconds in item.stash.get(SETUPS, [])] if call.when == "setup" else []
        # What is set on a report goes from a worker to the controller with it.
        vars(report).update(
            fixture_seconds=seconds,
            # What follows others on one machine cannot be repeated without them.
            is_alone=item.get_closest_marker("sequence") is None,
        )
        return report  # type: ignore[return-value]


class Recorder:
    """Writes the record, line by line: a run that is killed leaves what it had done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_text("", encoding="utf-8")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record one phase of one test."""
        reason = ""
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2])
        elif report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            reason = str(crash.message) if crash else ""
        sections = "".join(f"\n--- {title}\n{content}" for title, content in report.sections)
        self._write(
            id=report.nodeid,
            group=group_of(report.nodeid),
            when=report.when,
            outcome=report.outcome,
            seconds=report.duration,
            reason=reason,
            text=report.longreprtext + sections if report.failed else "",
            fixtures=getattr(report, "fixture_seconds", []),
            is_alone=getattr(report, "is_alone", True),
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a file that could not be read."""
        if report.failed:
            self._write(
                id=report.nodeid,
                group=group_of(report.nodeid),
                when="collect",
                outcome="failed",
                seconds=0.0,
                reason="",
                text=report.longreprtext,
                fixtures=[],
                is_alone=True,
            )

    def _write(self, **phase: object) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(phase) + "\n")
