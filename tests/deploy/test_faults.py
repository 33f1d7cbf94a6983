"""Story: hosts that fail in the middle of a deploy; each is told with what mends it, and the others go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.kit import Fleet, fleet_of, of, ready_ssh_image, ssh_image, trouble
from tests.support.containers.bed import Bed

NAMES = ("server", "client-good", "client-full", "client-dies")


@pytest.fixture(scope="module")
def faulty(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Give a fleet of hosts that are about to have trouble."""
    ready, plain = ready_ssh_image(bed, "debian-12"), ssh_image(bed, "debian-12")
    # The one that dies is to be met at an installation that takes its time.
    images = [(name, plain if name == "client-dies" else ready) for name in NAMES]
    with fleet_of(bed, tmp_path_factory.mktemp("faulty"), *images) as running:
        yield running


@pytest.fixture(scope="module")
def report(faulty: Fleet) -> dict[str, Any]:
    """Give the report of a deploy in which one host of each kind fails."""
    server, _, full, dies = faulty.hosts
    full.run("mkdir -p /var/cache/consul-docker-host && mount -t tmpfs -o size=16k tmpfs /var/cache/consul-docker-host")
    faulty.write()
    inventory = faulty.folder / "fleet.py"
    wrong = {"ssh_hostname": server.address(), "ssh_key": "", "ssh_password": "no", "ssh_look_for_keys": False}
    # The last address of the bed's network is nobody's.
    nobody = {"ssh_hostname": server.address().rpartition(".")[0] + ".254"}
    inventory.write_text(
        inventory.read_text() + f"clients += [('client-wrong', {wrong!r}), ('client-gone', {nobody!r})]\n"
    )

    def strike() -> None:
        dies.wait_until("pgrep -x apt-get", 120, what="apt-get is at work")
        dies.container.kill()

    striking = threading.Thread(target=strike)
    striking.start()
    try:
        return faulty.report("deploy", "--waves=10")
    finally:
        striking.join()


def one(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(host for host in report["hosts"] if host["host"] == name)


def test_the_others_go_on_and_the_whole_is_told_to_have_failed(report: dict[str, Any], faulty: Fleet) -> None:
    assert report["ok"] is False
    for host in faulty.hosts[:2]:
        assert of(report, host)["state"] == "ok", report


@pytest.mark.parametrize(
    ("name", "state", "remedy"),
    [
        ("client-full", "failed", "free some space on the host"),
        ("client-dies", "failed", "the connection was lost"),
        ("client-wrong", "unreachable", "set ssh_user, and ssh_key or ssh_password"),
        ("client-gone", "unreachable", "check that the host is up"),
    ],
)
def test_each_host_is_named_with_what_mends_it(report: dict[str, Any], name: str, state: str, remedy: str) -> None:
    assert one(report, name)["state"] == state, one(report, name)
    assert remedy in one(report, name)["remedy"], one(report, name)


def test_a_rerun_goes_on_from_there(report: dict[str, Any], faulty: Fleet) -> None:
    server, good, full, _ = faulty.hosts
    full.run("umount /var/cache/consul-docker-host")
    faulty.write()
    again = faulty.report("deploy", "--limit=server,client-good,client-full")
    assert again["ok"], trouble(again)
    assert of(again, server)["changed"] == of(again, good)["changed"] == []
    assert "Install the package" in of(again, full)["changed"]


def test_the_deploy_stops_at_the_first_unhealthy_wave_and_says_where(faulty: Fleet) -> None:
    # The unit starts, and its program dies at once: no service manager's answer would show it.
    faulty.clients[0].put("/etc/dnsmasq.d/wrong.conf", "no-such-option\n")
    faulty.write({"cdh_patience": 8}, client_good={"cdh_upstreams": ["192.0.2.53"]})
    result = faulty.inv("deploy", "--limit=server,client-good,client-full")
    assert result.returncode != 0
    assert "stopped at wave 1: client-good is unhealthy; 1 host was not tried" in result.stdout
    assert "/etc/dnsmasq.d/wrong.conf" in result.stdout
