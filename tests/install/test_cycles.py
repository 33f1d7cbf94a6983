"""Story: install, remove, purge and reinstall, again and again: no trace is left, and no process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.install.deb_kit import Deb
from tests.install.kit import ENVIRONMENT, assert_nothing_runs
from tests.support import tree
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.upstream import Upstream
from tests.support.packages import NAME, Installer

pytestmark = pytest.mark.family("deb")
CYCLES, LONG_CYCLES = 3, 20
WAYS = {
    "purge": (("purge", NAME),),
    "remove, install, purge": (("remove", NAME), ("install",), ("purge", NAME)),
    "reinstall, purge": (("install", "--reinstall"), ("purge", NAME)),
}


@pytest.fixture(scope="module")
def host(bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer) -> Iterator[Host]:
    """Give a host on which all that the package depends on is at work already."""
    with bed.host(ready, name=f"{distribution.name}-cycles", resolv_conf=upstream.resolv_conf) as host:
        host.put("/etc/environment", ENVIRONMENT)
        installer.bring(host)
        yield host


@pytest.mark.timeout(1800)
def test_no_cycle_leaves_anything(host: Host, installer: Installer, request: pytest.FixtureRequest) -> None:
    before = host.tree()
    deb = Deb(host)
    for number in range(LONG_CYCLES if request.config.getoption("long") else CYCLES):
        name, steps = list(WAYS.items())[number % len(WAYS)]
        deb.apt("install", installer.target)
        for verb, *rest in steps:
            deb.apt(verb, *(rest or []), *([installer.target] if verb == "install" else []))
        assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=()), name
        assert_nothing_runs(host)
        broken = host.output("find /etc /usr/lib/systemd -xdev -xtype l -newer /etc/environment")
        assert broken == "", name
