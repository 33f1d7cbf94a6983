"""Story: three machines with Docker and Consul become the article's cluster by one `inv deploy` over ssh.

Their way in is a second interface that this machine's loopback leads to; all else goes over the guests' own network.
"""

from __future__ import annotations

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT
from tests.support.inventory import new_key, write_inventory
from tests.support.machines.guest import Guest
from tests.support.machines.hosts import (
    INSTALL_SECONDS,
    Uplink,
    answers_from,
    client,
    exec_in_client,
    ifupdown,
    install_consul,
    load_images,
    networkd,
    start_web,
    wait_for_registrator,
)
from tests.support.packages import ADDRESS
from tests.vm.conftest import Bed

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800), pytest.mark.sequence]

INSIDE = "10.99.0.15"
IFUPDOWN = f"auto eth1\niface eth1 inet static\n    address {INSIDE}/24\n"
NETWORKD = f"[Match]\nName=eth1\n\n[Network]\nAddress={INSIDE}/24\n"
DEPLOY_SECONDS = 900.0
SERVICE = "webservice.service.consul"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Machines without our package, each with its port on the loopback, and the operator's folder."""

    guests: tuple[Guest, ...]
    folder: Path

    def deploy(self) -> dict[str, Any]:
        """Run `inv deploy` and return its report."""
        argv = [sys.executable, "-m", "invoke", "deploy", f"--inventory={self.folder / 'fleet.py'}", "--json"]
        result = run(argv, cwd=ROOT, timeout=DEPLOY_SECONDS, check=False)
        assert result.stdout.startswith("{"), result.output
        report: dict[str, Any] = json.loads(result.stdout)
        return report


def way_in(number: int) -> tuple[int, tuple[str, ...]]:
    """Return a free port of the loopback, and QEMU's arguments by which it leads to the guest's sshd alone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    netdev = f"user,id=ops,net=10.99.0.0/24,restrict=on,hostfwd=tcp:127.0.0.1:{port}-{INSIDE}:22"
    return port, ("-netdev", netdev, "-device", f"virtio-net-pci,netdev=ops,mac=52:54:00:00:99:{number:02x},romfile=")


def with_ops(uplink: Uplink, key: str) -> Uplink:
    """Return an uplink with the second interface beside it, and the operator's key."""
    files = {**uplink.files, "/root/.ssh/authorized_keys": key}
    if uplink.links:
        files["/etc/systemd/network/60-ops.network"] = NETWORKD
    else:
        files["/etc/network/interfaces"] += IFUPDOWN
    return Uplink(files=files, links=uplink.links)


def prepare(guest: Guest) -> None:
    assert guest.wait_for_boot() == "running", guest.report()
    install_consul(guest)
    guest.run("apt-get install --yes --no-install-recommends openssh-server", seconds=INSTALL_SECONDS)
    load_images(guest)


@pytest.fixture(scope="module")
def fleet(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    folder = tmp_path_factory.mktemp("ops")
    key = new_key(folder)
    wanted = (("server", 2, "debian-12", ifupdown(2)), ("one", 3, "debian-13", networkd(3)))
    guests, hosts = [], {}
    for name, number, distribution, uplink in (*wanted, ("two", 4, "debian-12", ifupdown(4))):
        port, devices = way_in(number)
        more = with_ops(uplink, key)
        guests.append(
            bed.guest(bed.plan(name, number, distribution=distribution, uplink=uplink, more=more, devices=devices))
        )
        hosts[name] = {"ssh_hostname": "127.0.0.1", "ssh_port": port}
    write_inventory(
        folder,
        servers={"server": hosts.pop("server")},
        clients=hosts,
        shared={"cdh_join": [guests[0].address], "cdh_patience": 180},
        packages=bed.package.parent,
    )
    with ThreadPoolExecutor(max_workers=len(guests)) as pool:
        list(pool.map(prepare, guests))
    return Fleet(guests=tuple(guests), folder=folder)


def test_one_deploy_makes_a_cluster_of_healthy_hosts(fleet: Fleet) -> None:
    report = fleet.deploy()
    assert report["ok"], report
    assert [one["state"] for one in report["hosts"]] == ["ok", "ok", "ok"], report
    members = fleet.guests[2].output("consul members").splitlines()[1:]
    assert {line.split()[0] for line in members} == {guest.name for guest in fleet.guests}


def test_a_second_one_changes_nothing(fleet: Fleet) -> None:
    report = fleet.deploy()
    assert report["ok"], report
    assert [one["changed"] for one in report["hosts"]] == [[], [], []]


def test_a_container_finds_and_reaches_one_of_another_host(fleet: Fleet) -> None:
    _, one, two = fleet.guests
    for guest in fleet.guests:
        wait_for_registrator(guest)
    start_web(one, "web", options="--env SERVICE_NAME=webservice --publish 8080:80")
    client(two)
    answers_from(two, SERVICE, one.address)
    assert exec_in_client(two, f"dig +short {SERVICE}") == one.address
    assert exec_in_client(two, f"curl --silent --max-time 10 http://{SERVICE}:8080/") == "the page"
    asked = f"curl --silent --max-time 10 http://{ADDRESS}:8500/v1/catalog/service/webservice"
    assert json.loads(exec_in_client(two, asked))[0]["Node"] == one.name


def test_a_container_that_stops_leaves_dns_everywhere(fleet: Fleet) -> None:
    server, one, two = fleet.guests
    one.run("docker rm --force web")
    for guest in (server, two):
        answers_from(guest, SERVICE, "", seconds=15)
