"""Story: on a host whose links systemd-networkd manages, networkd goes on as before and nothing waits for our link."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.upstream import Upstream
from tests.support.packages import ADDRESS, DIG, Installer

# Rpm distributions have networkd in no base repository.
pytestmark = [pytest.mark.long, pytest.mark.family("deb")]

UPLINK = """
[Match]
Name=eth0

[Network]
Address={address}/24
Gateway={gateway}
LinkLocalAddressing=no
IPv6AcceptRA=no
"""
# A bridge is what any kernel has; the administrator's file of the same name wins over the package's.
LINK = """
[NetDev]
Name=dummy0
Kind=bridge
MACAddress=02:00:a9:fe:01:01
"""


@pytest.fixture(scope="module")
def host(
    bed: Bed, consul_base: str, upstream: Upstream, distribution: Distribution, installer: Installer
) -> Iterator[Host]:
    """Give a host whose uplink is networkd's, with the package installed."""
    with bed.host(consul_base, name=f"{distribution.name}-networkd", resolv_conf=upstream.resolv_conf) as host:
        gateway = host.output("ip -4 route show default | cut -d' ' -f3")
        host.put("/etc/systemd/network/50-uplink.network", UPLINK.format(address=host.address(), gateway=gateway))
        host.put("/etc/systemd/network/95-consul-docker-host.netdev", LINK)
        host.run("systemctl enable --now systemd-networkd.service systemd-networkd-wait-online.service")
        host.wait_until("networkctl --no-legend list eth0 | grep -q configured", 20)
        installer.install(host)
        installer.become_server(host)
        yield host


def test_the_address_is_there(host: Host) -> None:
    assert f" {ADDRESS}/32 " in host.output("ip -4 -o address show dev dummy0")
    assert host.output(f"{DIG} consul.service.consul") == host.address()


def test_the_uplink_is_still_managed(host: Host) -> None:
    assert "configured" in host.output("networkctl --no-legend list eth0")
    assert "default via" in host.output("ip -4 route show default")


def test_being_online_does_not_wait_for_our_link(host: Host) -> None:
    host.run("systemctl restart systemd-networkd.service")
    host.run("systemctl restart systemd-networkd-wait-online.service", seconds=15)
    assert f" {ADDRESS}/32 " in host.output("ip -4 -o address show dev dummy0")


def test_no_unit_failed(host: Host) -> None:
    assert host.failed_units() == ""
