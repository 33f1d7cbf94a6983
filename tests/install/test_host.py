"""Story: after the install a host finds Consul's names and API at one address, and loses nothing it had."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.support.containers import upstream
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.upstream import Upstream
from tests.support.packages import ADDRESS, DIG, Installer, wait_for_consul


@pytest.fixture(scope="module")
def server(
    bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer
) -> Iterator[Host]:
    """Give a host on which the package was installed a moment ago: what needs a new boot is a fault."""
    with bed.host(ready, name=distribution.name, resolv_conf=upstream.resolv_conf) as host:
        installer.install(host)
        installer.become_server(host)
        yield host


def test_the_address_is_on_the_interface(server: Host) -> None:
    addresses = server.output("ip -4 -o address show dev dummy0")
    assert f" {ADDRESS}/32 " in addresses
    assert "dummy0" in server.output("ip -o link show up")


def test_consul_has_a_leader_at_the_address(server: Host) -> None:
    leader = server.output(f"curl --silent --max-time 5 http://{ADDRESS}:8500/v1/status/leader")
    assert leader == f'"{server.address()}:8300"'


@pytest.mark.parametrize("asked", ["@127.0.0.1", f"@{ADDRESS}", ""])
def test_dig_finds_a_service_of_consul(server: Host, asked: str) -> None:
    assert server.output(f"{DIG} consul.service.consul {asked}") == server.address()


def test_programs_find_a_service_of_consul(server: Host) -> None:
    assert server.output("getent hosts consul.service.consul").split()[0] == server.address()


@pytest.mark.parametrize("asked", ["@127.0.0.1", f"@{ADDRESS}", ""])
def test_outside_names_resolve(server: Host, asked: str) -> None:
    assert server.output(f"{DIG} {upstream.NAME} {asked}") == upstream.ADDRESS


def test_outside_addresses_have_their_names(server: Host) -> None:
    assert server.output(f"{DIG} -x {upstream.ADDRESS}") == f"{upstream.NAME}."


def test_unknown_names_of_consul_are_unknown_not_broken(server: Host) -> None:
    answer = server.output("dig +time=2 +tries=2 nobody.service.consul")
    assert "status: NXDOMAIN" in answer


def test_an_answer_may_be_kept_for_two_seconds_at_most(server: Host) -> None:
    answer = server.output("dig +noall +answer +time=2 +tries=2 consul.service.consul")
    assert 0 <= int(answer.split()[1]) <= 2, answer


def test_consul_needs_no_flags(server: Host) -> None:
    for shell in ("", f"CONSUL_HTTP_ADDR={ADDRESS}:8500 "):
        assert f"{server.address()}:8301" in server.output(f"{shell}consul members")


def test_a_login_shell_knows_the_api(server: Host) -> None:
    said = server.output(["env", "-i", "HOME=/root", "bash", "-lc", "echo $CONSUL_HTTP_ADDR $CONSUL_RPC_ADDR"])
    assert said == f"{ADDRESS}:8500 {ADDRESS}:8400"


def test_a_session_knows_the_api(server: Host) -> None:
    """The way of programs that are started by a login, such as cron jobs and ssh commands."""
    said = server.output(["env", "-i", "su", "--shell=/bin/sh", "--command=echo $CONSUL_HTTP_ADDR", "nobody"])
    assert said == f"{ADDRESS}:8500"


def test_a_systemd_service_knows_the_api(server: Host) -> None:
    said = server.output("systemd-run --quiet --wait --pipe sh -c 'echo $CONSUL_HTTP_ADDR'", seconds=20)
    assert said == f"{ADDRESS}:8500"


def test_no_unit_failed(server: Host) -> None:
    assert server.failed_units() == ""
    assert server.service("consul-docker-host.target").is_active
    assert server.service("consul-docker-host.target").is_enabled


def test_no_unit_is_in_an_ordering_cycle(server: Host) -> None:
    assert server.run("journalctl --boot --no-pager | grep -i 'ordering cycle'", check=False).stdout == ""


def test_outside_names_resolve_without_consul(server: Host) -> None:
    server.run("systemctl stop consul.service")
    try:
        assert server.output(f"{DIG} {upstream.NAME}") == upstream.ADDRESS
        assert upstream.ADDRESS in server.output(f"getent hosts {upstream.NAME}")
    finally:
        server.run("systemctl start --no-block consul.service")
        wait_for_consul(server)


def test_a_lost_address_comes_back(server: Host) -> None:
    server.run(f"ip address del {ADDRESS}/32 dev dummy0")
    server.wait_until(f"ip -4 -o address show dev dummy0 | grep -q ' {ADDRESS}/'", 5)
    server.run("ip link del dummy0")
    server.wait_until(f"ip -4 -o address show dev dummy0 | grep -q ' {ADDRESS}/'", 5)
    wait_for_consul(server)


def test_the_check_finds_nothing_wrong(server: Host) -> None:
    result = server.run("consul-docker-host check --json", check=False)
    report = json.loads(result.stdout)
    assert report["ok"] is True, result.output
    # These hosts have no Docker, which is worth a warning.
    assert {link["name"] for link in report["links"] if link["state"] != "ok"} == {"docker"}
    assert result.returncode == 1
