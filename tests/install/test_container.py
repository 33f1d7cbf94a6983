"""Story: a container on the host finds the same as the host, with two flags of `docker run`; a neighbour finds nothing.

A network namespace on a bridge named docker0 stands in for a container: its resolv.conf is what --dns writes, its
environment what --env-file reads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.containers import upstream
from tests.support.containers.host import Host
from tests.support.containers.namespace import CONTAINER
from tests.support.packages import ADDRESS, DIG
from tests.support.speed import scaled

# What any machine of the same network can do: it routes the address to the host.
NEIGHBOUR = f"""
ip netns add neighbour
ip link add lan0 type veth peer name eth0 netns neighbour
ip address add 198.51.100.1/24 dev lan0
ip link set lan0 up
ip -n neighbour link set lo up
ip -n neighbour address add 198.51.100.2/24 dev eth0
ip -n neighbour link set eth0 up
ip -n neighbour route add default via 198.51.100.1
ip -n neighbour route add {ADDRESS} via 198.51.100.1
"""


@pytest.fixture(scope="module")
def app(server: Host) -> Iterator[str]:
    """Give the prefix of a command that runs in the container."""
    server.run(f"set -e\n{CONTAINER}")
    yield "ip netns exec app"
    server.run("ip netns del app; ip link del docker0; rm -r /etc/netns")


@pytest.fixture(scope="module")
def neighbour(server: Host) -> Iterator[str]:
    """Give the prefix of a command that runs on a neighbour of the host."""
    server.run(f"set -e\n{NEIGHBOUR}")
    yield "ip netns exec neighbour"
    server.run("ip link del lan0; ip netns del neighbour")


def assert_silence(server: Host, neighbour: str) -> None:
    """Ask all that listens at the address, by both transports and all at once, because silence takes its time."""
    dig = f"dig +short +time=2 +tries=1 consul.service.consul @{ADDRESS}"
    asked = {
        f"curl --silent --max-time 2 http://{ADDRESS}:8500/v1/status/leader": 28,
        dig: 9,
        f"{dig} +tcp": 9,
        f"{dig} -p 8600": 9,
    }
    lines = "".join(f"({neighbour} {command} > /dev/null; echo '{command}' $?) &\n" for command in asked)
    answers = server.output(f"{lines}wait").splitlines()
    assert sorted(answers) == sorted(f"{command} {code}" for command, code in asked.items())


def test_a_container_finds_a_service_of_consul(server: Host, app: str) -> None:
    assert server.output(f"{app} {DIG} consul.service.consul") == server.address()
    assert server.output(f"{app} getent hosts consul.service.consul").split()[0] == server.address()


def test_a_container_finds_outside_names(server: Host, app: str) -> None:
    assert server.output(f"{app} {DIG} {upstream.NAME}") == upstream.ADDRESS


def test_a_container_reaches_the_api(server: Host, app: str) -> None:
    environment = "env -i PATH=$PATH $(grep -v '^#' /etc/consul-docker-host/container.env)"
    asked = "curl --silent --fail --max-time 5 http://$CONSUL_HTTP_ADDR/v1/status/leader"
    leader = server.output(f"{environment} {app} sh -c '{asked}'")
    assert leader == f'"{server.address()}:8300"'


def test_a_container_is_not_shut_out_later(server: Host, app: str) -> None:
    """The guard is brought up to date when a bridge appears: that must not take the way back."""
    time.sleep(scaled(2))
    assert server.output(f"{app} {DIG} consul.service.consul") == server.address()


def test_a_container_may_write_keys(server: Host, app: str) -> None:
    url = f"http://{ADDRESS}:8500/v1/kv/story"
    assert server.output(f"{app} curl --silent --max-time 5 --request PUT --data told {url}") == "true"
    assert server.output(f"{app} curl --silent --max-time 5 '{url}?raw'") == "told"
    server.run(f"{app} curl --silent --max-time 5 --request DELETE {url}")


def test_a_neighbour_gets_no_answer(server: Host, neighbour: str) -> None:
    # The way is open: Consul's own port on the host's address answers, so silence below is the guard's.
    server.run(f"{neighbour} timeout {scaled(5):g} bash -c '</dev/tcp/{server.address()}/8300'")
    assert_silence(server, neighbour)


def test_the_guard_is_back_after_a_flush(server: Host, neighbour: str, app: str) -> None:
    """The distribution's nftables service begins with `flush ruleset`."""
    server.run("nft flush ruleset")
    server.wait_until(f"nft list ruleset | grep -qF {ADDRESS}", 5, what="the guard is back")
    assert_silence(server, neighbour)
    server.wait_until(
        f'[ "$({app} {DIG} consul.service.consul)" = {server.address()} ]', 5, what="a container is answered"
    )
