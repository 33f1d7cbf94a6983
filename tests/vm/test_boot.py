"""Story: one Debian 12 with a hand-written network. The package comes before Consul; it rises, heals and goes.

The tests follow each other on one machine, as its life does.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.machines.guest import Guest
from tests.support.machines.hosts import (
    DIG,
    INSTALL_SECONDS,
    PACKAGE_PATH,
    SETTINGS_PATH,
    STATIC_RESOLVER,
    configure,
    ifupdown,
    install,
    install_consul,
    wait_for_leader,
)
from tests.support.machines.lan import OUTSIDE_ADDRESS, OUTSIDE_NAME, PRIVATE_ADDRESS, PRIVATE_NAME
from tests.support.packages import ADDRESS, NAME
from tests.support.speed import is_within, scaled
from tests.support.variants import OLD_UNIT, earlier_version
from tests.vm.conftest import Bed

pytestmark = [pytest.mark.timeout(1200), pytest.mark.sequence]  # the first test of a file waits for its machines
ETC = "find /etc -xdev ! -name ld.so.cache ! -name '*-' -type f -exec sha256sum {} + | sort -k2"
HEALED = (
    f"ip -4 -o address show dev dummy0 up 2>/dev/null | grep -qF {ADDRESS}/32 && nft list ruleset | grep -qF {ADDRESS}"
)
# The clock of the guest counts: what the test's own questions cost is no part of the healing.
WITHIN = """
begin=$(date +%s)
{damage} || exit 9
until {healed}; do [ $(($(date +%s) - begin)) -le {limit:.0f} ] || exit 1; sleep 0.2; done
echo $(($(date +%s) - begin))
"""
EARLIER = "/var/tmp/earlier.deb"
DAMAGES = {
    "the address deleted": f"ip address delete {ADDRESS}/32 dev dummy0",
    "the link set down": "ip link set dummy0 down",
    "the link deleted": "ip link delete dummy0",
    "the rules flushed": "nft flush ruleset",
    "networkd started and stopped": "systemctl start systemd-networkd && systemctl stop systemd-networkd.socket"
    " systemd-networkd",
}


@pytest.fixture(scope="module")
def host(bed: Bed) -> Guest:
    """Give the machine, booted once without the package: what fails here is the bed's fault."""
    guest = bed.guest(bed.plan("alone", 1, distribution="debian-12", uplink=ifupdown(1)))
    assert guest.wait_for_boot() == "running", guest.report()
    assert guest.complaints() == []
    return guest


@pytest.fixture(scope="module")
def before(host: Guest) -> str:
    """Give the sums of all configuration before the package's first install."""
    return host.output(ETC)


def check(host: Guest) -> dict[str, str]:
    """Return the state of each link of the chain."""
    links: list[dict[str, str]] = []

    def has_answer() -> bool:
        links[:] = json.loads(host.run(f"{NAME} check --json", check=False, seconds=90).stdout)["links"]
        # An emulated machine may be too slow for the five seconds that check gives to nft.
        return not any("did not answer in time" in link["text"] for link in links)

    host.wait_until(has_answer, 60, what="check got its answers in time")
    return {link["name"]: link["state"] for link in links}


def test_an_install_without_consul_does_what_it_can(host: Guest, before: str, tmp_path: Path) -> None:
    host.put(EARLIER, earlier_version(tmp_path / "checkout", "deb").read_bytes())
    install(host, EARLIER)
    assert "dummy" in host.output("ip -details link show dev dummy0")
    assert f" {ADDRESS}/32 " in host.output("ip -4 -o address show dev dummy0")
    states = check(host)
    assert states["consul"] == "broken"
    assert {states[name] for name in ("settings", "link", "address", "guard")} == {"ok"}
    assert host.failed_units() == ""


def test_outside_names_resolve_without_consul(host: Guest) -> None:
    host.wait_until(f"{DIG} {OUTSIDE_NAME} @{ADDRESS} | grep -qFx {OUTSIDE_ADDRESS}", 20)
    for name, address in ((OUTSIDE_NAME, OUTSIDE_ADDRESS), (PRIVATE_NAME, PRIVATE_ADDRESS)):
        assert host.output(f"{DIG} {name}") == address


def test_a_consul_that_comes_later_is_taken_up(host: Guest) -> None:
    install_consul(host)
    host.wait_until(f"curl --silent --fail http://{ADDRESS}:8500/v1/agent/self >/var/tmp/self", 90)
    assert check(host)["consul"] == "ok"


def test_a_host_that_has_joined_nothing_boots_to_the_end(host: Guest) -> None:
    """HashiCorp's own unit is ready only after a join, so the boot would not end."""
    assert host.reboot() == "running", host.report()
    assert host.failed_units() == ""
    assert host.output("systemctl is-active consul dnsmasq consul-docker-host.target").split() == ["active"] * 3
    assert [line for line in host.complaints() if "registrator" not in line] == []


def test_a_boot_brings_interface_address_and_guard(host: Guest) -> None:
    host.run(HEALED)
    states = check(host)
    assert {states[name] for name in ("settings", "link", "address", "guard", "consul", "api", "environment")} == {"ok"}
    assert states["joined"] == "warn"


def test_one_line_of_settings_makes_a_cluster_of_one(host: Guest) -> None:
    configure(host, ROLE="server", BOOTSTRAP_EXPECT="1")
    wait_for_leader(host)
    host.wait_until(f"{DIG} consul.service.consul | grep -qFx {host.address}", 30)
    assert host.output("getent hosts consul.service.consul").split()[0] == host.address


def test_an_upgrade_keeps_the_host_s_own_settings_and_tells_of_dns(host: Guest) -> None:
    settings = host.output(f"cat {SETTINGS_PATH}")
    (line,) = [line for line in install(host, PACKAGE_PATH).splitlines() if line.startswith(f"{NAME}: DNS")]
    print(line)
    assert "does not answer" not in line
    assert host.output(f"cat {SETTINGS_PATH}") == settings
    wait_for_leader(host)
    host.wait_until(f"{DIG} consul.service.consul @{ADDRESS} | grep -qFx {host.address}", 30)
    assert OLD_UNIT not in host.output(f"systemctl list-units --all --no-legend --plain '{NAME}*'")
    # The guest's disk has no documentation.
    changed = host.output(f"dpkg --verify {NAME} | grep -v ^missing").splitlines()
    assert [line.split()[-1] for line in changed] == [SETTINGS_PATH]
    assert host.failed_units() == ""


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_it_is_healed_within_five_seconds(host: Guest, damage: str) -> None:
    host.run(HEALED)
    line = WITHIN.format(damage=damage, healed=HEALED, limit=scaled(30))
    assert is_within(int(host.output(line)), 5)
    host.wait_until(f"{DIG} consul.service.consul @{ADDRESS} | grep -qFx {host.address}", 15)
    assert host.failed_units() == ""


def test_consul_and_dns_do_not_need_docker(host: Guest) -> None:
    host.run("systemctl stop docker.socket docker.service")
    assert host.output(f"{DIG} consul.service.consul @{ADDRESS}") == host.address
    host.run("systemctl restart consul dnsmasq", seconds=30)
    wait_for_leader(host)
    host.run("systemctl start docker.socket docker.service", seconds=90)
    host.run(HEALED)
    assert host.failed_units() == ""


def test_outside_names_do_not_wait_for_a_stopped_consul(host: Guest) -> None:
    host.run("systemctl stop consul")
    assert host.output(f"dig +short +time=1 +tries=1 {OUTSIDE_NAME} @{ADDRESS}") == OUTSIDE_ADDRESS
    host.run("systemctl start consul")


def test_a_removal_gives_the_machine_back(host: Guest, before: str) -> None:
    host.run(f"apt-get purge --yes {NAME}", seconds=INSTALL_SECONDS)
    assert host.output("cat /etc/resolv.conf") == STATIC_RESOLVER.strip()
    assert ADDRESS not in host.output("ip address; nft list ruleset")
    assert "dummy0" not in host.output("ip -o link")
    assert host.output(f"{DIG} {OUTSIDE_NAME}") == OUTSIDE_ADDRESS
    assert host.failed_units() == ""
    ours = {line for line in host.output(ETC).splitlines() if "/etc/consul.d/" not in line}
    theirs = set(before.splitlines())
    # Installing Consul made its user; the machine's id was written by its first boot.
    users = (
        "/etc/passwd",
        "/etc/group",
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/subuid",
        "/etc/subgid",
        "/etc/machine-id",
    )
    assert {line for line in ours ^ theirs if not line.endswith(users)} == set()
