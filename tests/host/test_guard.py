"""Nobody off the host reaches the address; the host's containers do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.host.conftest import FakeHost, needs_root

GUARD = "usr/lib/consul-docker-host/guard"
BRIDGE = "br-0123456789ab"


def ip(*arguments: str, netns: str = "") -> None:
    subprocess.run(["ip", *(["-n", netns] if netns else []), *arguments], check=True, capture_output=True)


@dataclass(frozen=True)
class Network:
    """A host's namespace with an uplink to a neighbour and room for bridges with containers."""

    # The process's number keeps parallel workers apart.
    host: str = f"cdh-host-{os.getpid()}"
    neighbour: str = f"cdh-neighbour-{os.getpid()}"
    container: str = f"cdh-container-{os.getpid()}"

    def reaches(self, netns: str, address: str = "169.254.1.1") -> bool:
        """Tell whether an address answers the namespace; with nobody listening the answer is a refusal."""
        argv = ["ip", "netns", "exec", netns, "timeout", "1", "bash", "-c", f"exec 3<>/dev/tcp/{address}/8500"]
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        return "refused" in done.stderr

    def connect(self, netns: str, port: str, *, master: str = "", subnet: str) -> None:
        """Join a namespace to the host by a veth pair, and route the address through the host."""
        ip("link", "add", port, "type", "veth", "peer", "name", "up0", "netns", netns, netns=self.host)
        if master:
            ip("link", "add", master, "type", "bridge", netns=self.host)
            ip("link", "set", port, "master", master, netns=self.host)
            ip("link", "set", master, "up", netns=self.host)
        ip("address", "add", f"{subnet}.1/24", "dev", master or port, netns=self.host)
        ip("link", "set", port, "up", netns=self.host)
        ip("address", "add", f"{subnet}.2/24", "dev", "up0", netns=netns)
        ip("link", "set", "up0", "up", netns=netns)
        ip("route", "add", "169.254.1.1/32", "via", f"{subnet}.1", netns=netns)


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    names = (made.host, made.neighbour, made.container)
    for name in names:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        ip("netns", "add", name)
    ip("link", "set", "lo", "up", netns=made.host)
    # A bridge stands in where the kernel has no dummy type; the rules go by the name.
    ip("link", "add", "dummy0", "type", "bridge", netns=made.host)
    ip("link", "set", "dummy0", "up", netns=made.host)
    ip("address", "add", "169.254.1.1/32", "dev", "dummy0", netns=made.host)
    made.connect(made.neighbour, "uplink", subnet="10.99.0")
    yield made
    for name in names:
        ip("netns", "delete", name)


@needs_root
def test_a_neighbour_with_a_route_is_dropped_and_was_answered_before(host: FakeHost, network: Network) -> None:
    assert network.reaches(network.neighbour)
    host.call(GUARD, "up", netns=network.host)
    assert not network.reaches(network.neighbour)
    assert network.reaches(network.host)


@needs_root
def test_every_other_address_of_the_host_stays_reachable_over_both_protocols(host: FakeHost, network: Network) -> None:
    for netns, port, number in ((network.host, "uplink", 1), (network.neighbour, "up0", 2)):
        ip("address", "add", f"fd00:99::{number}/64", "dev", port, "nodad", netns=netns)
    others = ("10.99.0.1", "fd00:99::1")
    assert all(network.reaches(network.neighbour, address) for address in others)

    host.call(GUARD, "up", netns=network.host)

    assert [address for address in others if not network.reaches(network.neighbour, address)] == []
    assert not network.reaches(network.neighbour)


@needs_root
@pytest.mark.parametrize("bridge", ["docker0", "docker_gwbridge", "podman7", BRIDGE])
def test_containers_behind_their_engines_bridge_are_answered(host: FakeHost, network: Network, bridge: str) -> None:
    network.connect(network.container, "veth1", master=bridge, subnet="172.30.0")
    host.call(GUARD, "up", netns=network.host)
    assert network.reaches(network.container)


@needs_root
@pytest.mark.parametrize("bridge", ["br-lan", "br0", "br-0123", "br-0123456789xy", "virbr0"])
def test_other_bridges_are_dropped_until_a_setting_names_them(host: FakeHost, network: Network, bridge: str) -> None:
    network.connect(network.container, "veth1", master=bridge, subnet="172.30.0")
    host.call(GUARD, "up", netns=network.host)
    assert not network.reaches(network.container)

    host.configure(f"BRIDGES={bridge}\n")
    host.call(GUARD, "heal", netns=network.host)

    assert network.reaches(network.container)


@needs_root
@pytest.mark.parametrize("bridge", ["docker0", "podman0", BRIDGE])
def test_a_bridge_with_the_default_route_is_never_allowed_by_its_name_alone(
    host: FakeHost, network: Network, bridge: str
) -> None:
    network.connect(network.container, "veth1", master=bridge, subnet="172.30.0")
    ip("route", "add", "default", "via", "172.30.0.2", netns=network.host)

    host.call(GUARD, "up", netns=network.host)

    assert not network.reaches(network.container)
    assert host.call(GUARD, "refused", netns=network.host).stdout.strip() == bridge


@needs_root
def test_a_bridge_with_a_port_that_is_no_containers_is_never_allowed(host: FakeHost, network: Network) -> None:
    network.connect(network.container, "veth1", master=BRIDGE, subnet="172.30.0")
    ip("tuntap", "add", "tap0", "mode", "tap", netns=network.host)
    ip("link", "set", "tap0", "master", BRIDGE, netns=network.host)

    host.call(GUARD, "up", netns=network.host)

    assert not network.reaches(network.container)


@needs_root
def test_a_container_network_made_later_is_let_in_by_heal(host: FakeHost, network: Network) -> None:
    host.call(GUARD, "up", netns=network.host)
    network.connect(network.container, "veth1", master=BRIDGE, subnet="172.30.0")
    assert not network.reaches(network.container)

    assert "restored or updated" in host.call(GUARD, "heal", netns=network.host).stdout

    assert network.reaches(network.container)
    assert host.call(GUARD, "heal", netns=network.host).stdout == ""


@needs_root
@pytest.mark.parametrize(
    "harm",
    [
        ["flush", "ruleset"],
        ["insert", "rule", "ip", "consul_docker_host", "prerouting", "accept"],
        ["flush", "chain", "ip", "consul_docker_host", "prerouting"],
    ],
)
def test_what_somebody_does_to_the_table_is_undone(host: FakeHost, network: Network, harm: list[str]) -> None:
    host.call(GUARD, "up", netns=network.host)
    subprocess.run(["ip", "netns", "exec", network.host, "nft", *harm], check=True)
    host.call(GUARD, "check", netns=network.host, code=1)
    assert network.reaches(network.neighbour)

    host.call(GUARD, "heal", netns=network.host)

    assert not network.reaches(network.neighbour)


@needs_root
def test_foreign_tables_stay_and_ours_goes_alone(host: FakeHost, network: Network) -> None:
    nft = ["ip", "netns", "exec", network.host, "nft"]
    subprocess.run([*nft, "add", "table", "inet", "foreign"], check=True)
    host.call(GUARD, "up", netns=network.host)
    host.call(GUARD, "down", netns=network.host)
    done = subprocess.run([*nft, "list", "tables"], check=True, capture_output=True, text=True)
    assert done.stdout == "table inet foreign\n"


def test_names_stand_in_rules_of_their_own_because_old_nft_knows_no_wildcard_in_a_set(host: FakeHost) -> None:
    host.configure("BRIDGES='cni* lxdbr0'\n")
    text = host.script("guard", "rules").stdout
    assert 'iifname "cni*" accept\n' in text
    assert 'iifname "podman*" accept\n' in text
    assert "{ " not in text.replace(" {\n", "\n")
