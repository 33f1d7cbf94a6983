"""How pytest-xdist shares out tests: all stories of one distribution to one worker, in their order.

xdist's own `--dist loadgroup` appends the group to an item's node id, which pytest 9.2 no longer lets it do; every
test would go to any worker. This is the only place for the remedy.
"""

from __future__ import annotations

import re

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.support.distributions import read_distributions


class DistributionScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Tests with a distribution among their parameters stay together; others by file."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        names = "|".join(re.escape(one.name) for one in read_distributions())
        match = re.search(rf"\[(?:.*-)?({names})(?:-.*)?\]$", name)
        return match.group(1) if match else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> DistributionScheduling:
    """Give the scheduler, whatever --dist says."""
    return DistributionScheduling(config, log)
