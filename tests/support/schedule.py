"""How pytest-xdist shares out tests: the stories of one host to one worker, in their order, the longest first.

xdist's own `--dist loadgroup` appends the group to an item's node id, which pytest 9.2 no longer lets it do; every
test would go to any worker. This is the only place for the remedy.
"""

from __future__ import annotations

import functools
import re

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove.distributions import read_distributions
from consul_docker_host.prove.times import read_times, times_file


class DistributionScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Tests of one file and distribution stay together."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _assign_work_unit(self, node: object) -> None:
        """Give a worker the group that takes longest: one that came last would leave the other workers idle."""
        times = recorded_seconds()
        longest = max(self.workqueue, key=lambda group: seconds_of(group, len(self.workqueue[group]), times))
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


def group_of(nodeid: str) -> str:
    """Return the group of a test: its file, after its distribution where it has one."""
    file, _, name = nodeid.partition("::")
    match = re.search(rf"\[(?:.*-)?({distribution_names()})(?:-.*)?\]$", name)
    return f"{match.group(1)} {file}" if match else file


@functools.cache
def distribution_names() -> str:
    """Return a pattern that matches every distribution's name."""
    return "|".join(re.escape(distribution.name) for distribution in read_distributions())


@functools.cache
def recorded_seconds() -> dict[str, float]:
    """Return how many seconds each group took; empty where nothing is recorded."""
    work = Workspace()
    times = read_times(work) if times_file(work).exists() else {}
    return {group: seconds for groups in times.values() for group, seconds in groups.items()}


def seconds_of(group: str, tests: int, times: dict[str, float]) -> float:
    """Return how long a group takes: as recorded, else a second for each of its tests."""
    return times.get(group, float(tests))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> DistributionScheduling:
    """Give the scheduler, whatever --dist says."""
    return DistributionScheduling(config, log)
