"""Story: one Debian 13 with the package in its image, and what administrators, distributions and neighbours do to it.

All of it is long: `test_boot` and `test_article` have the faults that every change must survive.
"""

from __future__ import annotations

import pytest

from tests.support.machines.guest import Guest
from tests.support.machines.hosts import (
    DIG,
    INSTALL_SECONDS,
    TOOLS,
    client,
    exec_in_client,
    load_images,
    networkd,
    wait_for_leader,
    wait_for_registrator,
)
from tests.support.machines.lan import METADATA, NETWORK, OUTSIDE_ADDRESS, OUTSIDE_NAME, ROUTER, Lan
from tests.support.packages import ADDRESS
from tests.vm.conftest import Bed

pytestmark = [pytest.mark.timeout(1200), pytest.mark.long]
CONSUL = "consul.service.consul"
OUTSIDER = f"{NETWORK}.66"
GUARDED = "/usr/lib/consul-docker-host/guard check"
OVERRIDE = f"""[Match]
Name=dummy0
[Link]
RequiredForOnline=no
[Network]
LinkLocalAddressing=no
ConfigureWithoutCarrier=yes
[Address]
Address={ADDRESS}/32
DuplicateAddressDetection=ipv4
"""


@pytest.fixture(scope="module")
def host(bed: Bed) -> Guest:
    """Give a cluster of one with a waiting container, after a first boot that needed no hand."""
    server = {"ROLE": "server", "BOOTSTRAP_EXPECT": "1"}
    guest = bed.guest(
        bed.plan("faulty", 5, distribution="debian-13", uplink=networkd(5), is_baked=True, settings=server)
    )
    assert guest.wait_for_boot() == "running", guest.report()
    load_images(guest)
    wait_for_leader(guest)
    wait_for_registrator(guest)
    client(guest)
    return guest


def is_well(host: Guest) -> None:
    """Fail unless the host is as it should be: nothing failed, names are found, and Consul runs."""
    wait_for_leader(host)
    host.wait_until(f"{DIG} {CONSUL} @{ADDRESS} | grep -qFx {host.address}", 30)
    host.wait_until(f"{DIG} {OUTSIDE_NAME} @{ADDRESS} | grep -qFx {OUTSIDE_ADDRESS}", 30)
    host.run(GUARDED)
    assert host.failed_units() == ""


def assert_guarded(host: Guest, lan: Lan, *, source: str = OUTSIDER) -> None:
    """Fail if a neighbour gets an answer, or if none could get one at all."""
    assert lan.answers(host.number, host.address, source=OUTSIDER, name=CONSUL)
    assert lan.answers(host.number, ADDRESS, source=source, name=CONSUL) == set()
    assert exec_in_client(host, f"dig +short {CONSUL}") == host.address


def test_a_baked_image_is_right_at_its_first_boot(host: Guest, lan: Lan) -> None:
    is_well(host)
    assert_guarded(host, lan)


def test_an_on_link_route_for_link_local_addresses_opens_nothing(host: Guest, lan: Lan) -> None:
    host.run("ip route add 169.254.0.0/16 dev eth0 scope link")
    assert_guarded(host, lan)
    assert_guarded(host, lan, source="169.254.77.7")
    host.run("ip route delete 169.254.0.0/16 dev eth0")


def test_cloud_metadata_is_left_alone(host: Guest) -> None:
    for ask in (host.output, lambda line: exec_in_client(host, line)):
        assert ask(f"{DIG} {OUTSIDE_NAME} @{METADATA}") == OUTSIDE_ADDRESS


@pytest.mark.parametrize("bridge", ["br-0123456789ab", "br-lan"])
def test_a_bridge_that_holds_the_uplink_lets_no_neighbour_in(host: Guest, lan: Lan, bridge: str) -> None:
    """Docker's own bridges are named br- and twelve digits; an uplink's may be named so too."""
    host.run("systemctl stop systemd-networkd.socket systemd-networkd")
    host.run(
        f"ip link add {bridge} type bridge && ip link set {bridge} address $(cat /sys/class/net/eth0/address) up"
        f" && ip link set eth0 master {bridge} && ip address flush dev eth0"
        f" && ip address add {host.address}/24 dev {bridge} && ip route replace default via {ROUTER}"
    )
    host.wait_until(GUARDED, 10)
    assert_guarded(host, lan)
    host.run(f"ip link delete {bridge} && systemctl start systemd-networkd && networkctl reconfigure eth0")
    host.wait_until(f"ip route get {ROUTER} | grep -q eth0", 20)
    host.wait_until(GUARDED, 10)


def test_a_new_network_of_docker_is_let_in(host: Guest) -> None:
    host.run("docker network create own")
    host.wait_until(GUARDED, 5)
    asked = f"docker run --rm --network own --volume /usr:/usr:ro --dns {ADDRESS} {TOOLS} dig +short {CONSUL}"
    host.wait_until(f'[ "$({asked})" = {host.address} ]', 60)
    host.run("docker network rm own")


def test_the_distribution_s_firewall_service_takes_the_guard_away_for_a_moment(host: Guest, lan: Lan) -> None:
    host.run("systemctl restart nftables && systemctl restart docker", seconds=120)
    host.wait_until(GUARDED, 5)
    wait_for_registrator(host, 60)
    host.run("docker start client")
    assert_guarded(host, lan)


def test_the_guard_stands_after_a_boot_beside_the_distribution_s_firewall(host: Guest, lan: Lan) -> None:
    host.run("systemctl enable nftables")
    assert host.reboot() == "running", host.report()
    is_well(host)
    host.wait_until("docker start client", 30)
    assert_guarded(host, lan)
    host.run("systemctl disable nftables")


def test_a_restart_of_networkd_leaves_the_address(host: Guest) -> None:
    host.run("systemctl restart systemd-networkd")
    host.wait_until(f"ip -4 -o address show dev dummy0 up | grep -qF {ADDRESS}/32", 5)
    is_well(host)


def test_detection_of_conflicts_that_the_administrator_wants_only_makes_it_later(host: Guest) -> None:
    host.put("/etc/systemd/network/05-consul-docker-host.network", OVERRIDE)
    assert host.reboot() == "running", host.report()
    is_well(host)
    host.run("rm /etc/systemd/network/05-consul-docker-host.network")


def test_everything_but_containers_works_with_docker_masked(host: Guest) -> None:
    host.run("systemctl mask docker.service docker.socket")
    assert host.reboot() == "running", host.report()
    is_well(host)
    assert host.output("systemctl is-active docker.service || :") == "inactive"
    host.run("systemctl unmask docker.service docker.socket && systemctl start docker", seconds=90)
    wait_for_registrator(host, 60)


def test_everything_but_containers_works_without_docker(host: Guest) -> None:
    host.run("apt-get remove --yes docker.io docker-cli", seconds=INSTALL_SECONDS)
    is_well(host)
    assert host.reboot() == "running", host.report()
    is_well(host)


def test_no_unit_has_met_its_limit(host: Guest) -> None:
    assert [line for line in host.complaints() if "start-limit" in line or "cycle" in line] == []
