"""Story: an install asks nobody: no question at a terminal, none to the network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.install.bench_install import INSTALL
from tests.install.rpm_kit import is_settled
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.upstream import Upstream
from tests.support.packages import INSTALL_SECONDS, Installer

pytestmark = pytest.mark.short_form_on("debian-13", "rpm-12")
# What root's programs send. Consul and dnsmasq, which ask the network for a living, are not root's.
COUNTER = """
table inet story {
    counter sent { }
    chain output {
        type filter hook output priority 0;
        meta skuid 0 oifname != "lo" counter name sent
    }
}
"""
SENT = "nft --json list counter inet story sent | jq '.nftables[1].counter.packets'"


@pytest.fixture(scope="module")
def host(bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer) -> Iterator[Host]:
    """Give a host with Consul and all that the package depends on, where root's packets are counted."""
    with bed.host(ready, name=f"{distribution.name}-quiet", resolv_conf=upstream.resolv_conf) as host:
        installer.bring(host)
        host.put("/srv/counter", COUNTER)
        host.run("nft -f /srv/counter")
        yield host


def test_an_install_asks_nobody(
    host: Host, upstream: Upstream, installer: Installer, distribution: Distribution
) -> None:
    host.run(f"bash -c 'echo x >/dev/udp/{upstream.address}/9'")
    assert host.output(SENT) == "1", "nothing is counted"
    said = host.run(
        f"{INSTALL[distribution.family]} {installer.target} </dev/null", seconds=INSTALL_SECONDS, environment={}
    )
    # What was started without waiting belongs to it.
    host.wait_until(lambda: is_settled(host), 30)
    assert host.output(SENT) == "1"
    assert "?" not in said.output
