"""Story: what an administrator has there already stays his: a dummy0 of his own, and a firewall that drops.

All of it is long.
"""

from __future__ import annotations

import json

import pytest

from tests.support.machines.guest import Guest
from tests.support.machines.hosts import (
    DIG,
    INSTALL_SECONDS,
    Uplink,
    client,
    configure,
    exec_in_client,
    install,
    install_consul,
    load_images,
    networkd,
    wait_for_leader,
)
from tests.support.machines.lan import OUTSIDE_ADDRESS, OUTSIDE_NAME
from tests.support.packages import ADDRESS, NAME
from tests.vm.conftest import Bed

pytestmark = [pytest.mark.timeout(1200), pytest.mark.long, pytest.mark.sequence]
NUMBER = 6
CONSUL = "consul.service.consul"
OWN = "10.9.9.1/24"
FOLDER = "/etc/systemd/network"
ADDRESSES = "ip -4 -o address show dev dummy0 up | awk '{ print $4 }' | sort"
OWN_LINK = {
    f"{FOLDER}/10-dummy0.netdev": "[NetDev]\nName=dummy0\nKind=dummy\n",
    f"{FOLDER}/10-dummy0.network": f"[Match]\nName=dummy0\n\n[Network]\nAddress={OWN}\n",
}


@pytest.fixture(scope="module")
def host(bed: Bed) -> Guest:
    """Give a cluster of one on a machine that had a dummy0 before, with a waiting container."""
    guest = bed.guest(
        bed.plan("neighbour", NUMBER, distribution="debian-13", uplink=networkd(NUMBER), more=Uplink(files=OWN_LINK))
    )
    assert guest.wait_for_boot() == "running", guest.report()
    assert guest.output(ADDRESSES) == OWN
    install_consul(guest)
    load_images(guest)
    install(guest)
    configure(guest, ROLE="server", BOOTSTRAP_EXPECT="1")
    wait_for_leader(guest)
    client(guest)
    return guest


def lines(host: Guest) -> dict[str, dict[str, str]]:
    """Return the lines of the check by their names."""
    report = json.loads(host.run(f"{NAME} check --json", check=False).stdout)
    return {link["name"]: link for link in report["links"]}


def assert_both_are_there(host: Guest) -> None:
    host.wait_until(f'[ "$({ADDRESSES})" = "$(printf "{OWN}\\n{ADDRESS}/32")" ]', 10, what="both addresses")
    assert {lines(host)[name]["state"] for name in ("link", "address")} == {"ok"}


def test_a_link_of_the_same_name_keeps_its_address(host: Guest) -> None:
    assert_both_are_there(host)
    host.run("networkctl reload; systemctl restart systemd-networkd")
    assert_both_are_there(host)


def test_both_addresses_are_there_after_a_boot(host: Guest) -> None:
    assert host.reboot() == "running", host.report()
    wait_for_leader(host)
    assert_both_are_there(host)
    host.wait_until("docker start client", 60)


def test_a_firewall_that_drops_is_named_with_the_command_that_lets_containers_in(host: Guest) -> None:
    host.run("apt-get install --yes --no-install-recommends ufw", seconds=INSTALL_SECONDS)
    host.run("ufw default deny incoming && ufw --force enable")
    host.wait_until(lambda: lines(host)["container"]["state"] == "broken", 10)
    line = lines(host)["container"]
    assert (line["text"], line["remedy"]) == (
        f"client gets no answer from {ADDRESS}, but the host does: the firewall drops its queries",
        f"ufw allow to {ADDRESS}",
    )
    host.run(line["remedy"])
    assert {lines(host)[name]["state"] for name in ("container", "docker")} == {"ok"}
    for name, address in ((CONSUL, host.address), (OUTSIDE_NAME, OUTSIDE_ADDRESS)):
        assert exec_in_client(host, f"dig +short {name}") == address


def test_what_was_let_in_stays_so_after_a_boot(host: Guest) -> None:
    assert host.reboot() == "running", host.report()
    wait_for_leader(host)
    host.wait_until("docker start client", 60)
    host.wait_until(lambda: exec_in_client(host, f"{DIG} {CONSUL}", check=False) == host.address, 30)
    assert host.failed_units() == ""


def test_a_removal_leaves_the_link_with_its_address(host: Guest) -> None:
    host.run(f"apt-get purge --yes {NAME}", seconds=INSTALL_SECONDS)
    assert host.output(ADDRESSES) == OWN
    assert host.reboot() == "running", host.report()
    assert host.output(ADDRESSES) == OWN
