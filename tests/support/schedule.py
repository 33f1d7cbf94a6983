"""How pytest-xdist shares out tests: the stories of one host to one worker, in their order.

xdist's own `--dist loadgroup` appends the group to an item's node id, which pytest 9.2 no longer lets it do; every
test would go to any worker. This is the only place for the remedy.
"""

from __future__ import annotations

import functools
import re

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.distributions import read_distributions


class DistributionScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Tests of one file and distribution stay together, and those of all files that share a distribution's host."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """Return the group of a test: its file, its distribution and file, or the distribution whose host it shares."""
    file, _, name = nodeid.partition("::")
    match = re.search(rf"\[(?:.*-)?({distribution_names()})(?:-.*)?\]$", name)
    if not match:
        return file
    return match.group(1) if shares_host(file) else f"{match.group(1)} {file}"


@functools.cache
def distribution_names() -> str:
    """Return a pattern that matches every distribution's name."""
    return "|".join(re.escape(distribution.name) for distribution in read_distributions())


@functools.cache
def shares_host(file: str) -> bool:
    """Say whether a file's tests take the session's ``server`` of their distribution."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return re.search(r"^def test_\w+\([^)]*\bserver: Host", text, re.MULTILINE) is not None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> DistributionScheduling:
    """Give the scheduler, whatever --dist says."""
    return DistributionScheduling(config, log)
