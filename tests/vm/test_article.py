"""Story: the article on two hosts. A is a cluster of one on Debian 12, B joins it from Debian 13 with networkd.

A container published on B is found and reached from a container on A, until it stops, its check fails or B dies; an
outsider on the same wire gets nothing. The tests follow each other, as the hosts' life does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.support.machines.guest import Guest
from tests.support.machines.hosts import (
    DIG,
    TOOLS,
    Pair,
    answers_from,
    client,
    exec_in_client,
    ifupdown,
    load_images,
    networkd,
    start_web,
    wait_for_leader,
    wait_for_registrator,
)
from tests.support.machines.lan import NETWORK, OUTSIDE_ADDRESS, OUTSIDE_NAME, Lan, address_of
from tests.support.packages import ADDRESS, NAME
from tests.support.speed import is_within
from tests.vm.conftest import Bed, boot

pytestmark = [pytest.mark.timeout(1200), pytest.mark.sequence]  # the first test of a file waits for its machines
WEB = "--env SERVICE_NAME=webservice --expose 80 --publish-all"
SERVICE = "webservice.service.consul"
CONSUL = "consul.service.consul"
EVERYTHING = {f"{kind} {port}" for kind in ("tcp", "udp") for port in (53, 8500, 8600)} - {"udp 8500"}
SOURCES = {"by a route through the host": f"{NETWORK}.66", "from a link-local address": "169.254.77.7"}


def settle(guests: Sequence[Guest]) -> None:
    """Let both boot for the first time, without a hand, until containers can be published on them."""
    boot(guests)
    both = Pair(*guests)
    both.prepare(load_images)
    for guest in guests:
        wait_for_leader(guest)
        wait_for_registrator(guest)
    client(both.a)


@pytest.fixture(scope="module")
def pair(bed: Bed) -> Pair:
    """Give the two hosts, made from images with the package in them: B joins A without a hand."""
    server = {"ROLE": "server", "BOOTSTRAP_EXPECT": "1"}
    a = bed.plan("host-a", 2, distribution="debian-12", uplink=ifupdown(2), is_baked=True, settings=server)
    joins = {"RETRY_JOIN": address_of(a.number)}
    b = bed.plan("host-b", 3, distribution="debian-13", uplink=networkd(3), is_baked=True, settings=joins)
    return Pair(*bed.resumed("article", a, b, settle=settle))


@pytest.fixture
def a(pair: Pair) -> Guest:
    return pair.a


@pytest.fixture
def b(pair: Pair) -> Guest:
    return pair.b


def test_both_hosts_have_the_address_on_a_real_dummy(a: Guest, b: Guest) -> None:
    for guest in (a, b):
        assert "dummy" in guest.output("ip -details link show dev dummy0")
        assert f" {ADDRESS}/32 " in guest.output("ip -4 -o address show dev dummy0")
        assert guest.failed_units() == ""


def test_networkd_made_the_interface_where_it_manages_the_uplink(b: Guest) -> None:
    assert "05-consul-docker-host.network" in b.output("networkctl status dummy0 --no-pager")


def test_members_need_no_flags(a: Guest, b: Guest) -> None:
    for guest in (a, b):
        members = guest.output("consul members").splitlines()[1:]
        assert {tuple(line.split()[:3]) for line in members} == {
            (a.name, f"{a.address}:8301", "alive"),
            (b.name, f"{b.address}:8301", "alive"),
        }


def test_a_published_container_is_registered_where_it_answers(a: Guest, b: Guest) -> None:
    start_web(b, "web", options=f"{WEB} --restart unless-stopped")
    answers_from(a, SERVICE, b.address)
    port = b.output("docker port web 80").splitlines()[0].rpartition(":")[2]
    entry = json.loads(a.output(f"curl --silent http://{ADDRESS}:8500/v1/catalog/service/webservice"))[0]
    assert (entry["ServiceAddress"], entry["ServicePort"]) == (b.address, int(port))


def test_a_container_elsewhere_finds_and_reaches_it(a: Guest, b: Guest) -> None:
    assert exec_in_client(a, f"dig +short {SERVICE}") == b.address
    port = exec_in_client(a, f"dig +short SRV {SERVICE}").split()[2]
    assert exec_in_client(a, f"curl --silent --max-time 10 http://{SERVICE}:{port}/") == "the page"
    assert exec_in_client(a, f"getent ahostsv4 {OUTSIDE_NAME}").split()[0] == OUTSIDE_ADDRESS
    found = exec_in_client(a, "curl --silent --max-time 10 http://$CONSUL_HTTP_ADDR/v1/catalog/service/webservice")
    assert json.loads(found)[0]["ServiceName"] == "webservice"


def test_the_check_asks_inside_a_container(a: Guest, b: Guest) -> None:
    for guest, container in ((a, "client"), (b, "web")):
        answer = json.loads(guest.run(f"{NAME} check --json", check=False, seconds=90).stdout)
        lines = {link["name"]: link for link in answer["links"]}
        assert lines["container"]["text"].startswith(f"tested from inside: {container}"), lines
        assert {name for name, line in lines.items() if line["state"] != "ok"} == set(), lines


def test_a_container_keeps_keys_and_takes_locks(a: Guest) -> None:
    assert "Success" in exec_in_client(a, "consul kv put story/key told")
    assert exec_in_client(a, "consul kv get story/key") == "told"
    assert "alone" in exec_in_client(a, "consul lock story/lock echo alone", seconds=90)


def test_a_second_port_gives_the_name_a_number(a: Guest, b: Guest) -> None:
    start_web(b, "two", options=f"{WEB.replace('webservice', 'pair')} --expose 443")
    for port in (80, 443):
        answers_from(a, f"pair-{port}.service.consul", b.address)
    b.run("docker rm --force two")


def test_a_failing_check_takes_the_container_out_of_dns(a: Guest, b: Guest) -> None:
    checked = "--env SERVICE_CHECK_HTTP=/health --env SERVICE_CHECK_INTERVAL=1s"
    start_web(b, "ill", options=f"{WEB.replace('webservice', 'ill')} {checked}")
    answers_from(a, "ill.service.consul", b.address, seconds=30)
    b.run("docker exec ill rm /www/health")
    answers_from(a, "ill.service.consul", "", seconds=15)
    b.run("docker rm --force ill")


def test_a_service_of_the_host_is_found_until_its_check_fails(a: Guest, b: Guest) -> None:
    check = {"http": "http://127.0.0.1:8080/", "interval": "1s", "timeout": "1s"}
    b.put("/etc/consul.d/app.json", json.dumps({"service": {"name": "app", "port": 8080, "check": check}}))
    b.run("mkdir -p /srv/app && echo here >/srv/app/index.html && busybox httpd -p 8080 -h /srv/app && consul reload")
    answers_from(a, "app.service.consul", b.address)
    b.run("rm /srv/app/index.html")
    answers_from(a, "app.service.consul", "", seconds=15)
    b.run("rm /etc/consul.d/app.json && consul reload && pkill -f '[h]ttpd -p 8080'")


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_the_outsider_gets_no_answer(pair: Pair, lan: Lan, source: str) -> None:
    for guest in (pair.a, pair.b):
        # The way is open: at the host's own address a closed port says so.
        assert lan.answers(guest.number, guest.address, source=f"{NETWORK}.66", name=CONSUL)
        assert lan.answers(guest.number, ADDRESS, source=source, name=CONSUL) == set()


def test_the_outsider_would_get_all_answers_without_the_guard(a: Guest, lan: Lan) -> None:
    a.run("systemctl stop consul-docker-host-watch && nft delete $(nft list tables | grep consul_docker_host)")
    found = lan.answers(a.number, ADDRESS, source=f"{NETWORK}.66", name=CONSUL, seconds=6)
    a.run("systemctl start consul-docker-host-watch")
    assert found >= EVERYTHING
    a.wait_until("/usr/lib/consul-docker-host/guard check", 10)
    assert lan.answers(a.number, ADDRESS, source=f"{NETWORK}.66", name=CONSUL) == set()
    assert exec_in_client(a, f"dig +short {SERVICE}") != ""


def test_a_network_of_users_reaches_consul(a: Guest) -> None:
    a.run("docker network create own")
    a.wait_until("/usr/lib/consul-docker-host/guard check", 10)
    asked = f"docker run --rm --network own --volume /usr:/usr:ro --dns {ADDRESS} {TOOLS} dig +short {SERVICE}"
    assert a.output(asked) != ""
    a.run("docker network rm own")


def test_a_stopped_container_is_gone_within_three_seconds(b: Guest) -> None:
    start_web(b, "brief", options=WEB.replace("webservice", "brief"))
    answers_from(b, "brief.service.consul", b.address)
    gone = f'[ -z "$({DIG} brief.service.consul @{ADDRESS})" ]'
    line = f"docker rm --force brief >/dev/null; begin=$(date +%s%N); until {gone}; do sleep 0.1; done"
    took = int(b.output(f"{line}; echo $((($(date +%s%N) - begin) / 1000000))")) / 1000
    assert is_within(took, 3), f"{took:.1f} s"


def test_a_host_without_power_leaves_dns(a: Guest, b: Guest) -> None:
    b.cut_power()
    answers_from(a, SERVICE, "", seconds=60)
    health = json.loads(a.output(f"curl --silent http://{ADDRESS}:8500/v1/health/node/{b.name}"))
    assert {one["Status"] for one in health if one["CheckID"] == "serfHealth"} == {"critical"}


def test_a_host_that_boots_again_is_back_without_a_hand(a: Guest, b: Guest) -> None:
    b.switch_on()
    assert b.wait_for_boot() == "running", b.report()
    answers_from(a, SERVICE, b.address, seconds=90)
    wait_for_registrator(b, 60)
    a.wait_until(lambda: _page(a) == "the page", 60, what="the page is served again")


def _page(guest: Guest) -> str:
    port = f"$(dig +short SRV {SERVICE} | cut -d ' ' -f 3)"
    return exec_in_client(guest, f"curl --silent --max-time 5 http://{SERVICE}:{port}/", check=False)


def test_the_guard_is_there_after_a_boot(b: Guest, lan: Lan) -> None:
    assert lan.answers(b.number, b.address, source=f"{NETWORK}.66", name=CONSUL)
    assert lan.answers(b.number, ADDRESS, source=f"{NETWORK}.66", name=CONSUL) == set()


def test_a_restart_of_docker_loses_nothing(a: Guest, b: Guest) -> None:
    b.run("systemctl restart docker", seconds=120)
    wait_for_registrator(b, 60)
    answers_from(a, SERVICE, b.address, seconds=60)
    assert b.failed_units() == ""


def test_no_host_has_complained(a: Guest, b: Guest) -> None:
    for guest in (a, b):
        # Registrator ends with Docker, and its unit says so before it starts again.
        assert [line for line in guest.complaints() if "registrator" not in line] == []
