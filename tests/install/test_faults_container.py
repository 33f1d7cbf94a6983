"""Story: what cuts a container off is named with the container, and the remedy, word for word, lets it in again.

A network namespace on docker0 is the container, and a stand-in for the docker command tells of it, because these hosts
cannot run Docker; booted machines do (tests/vm).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.containers.host import Host
from tests.support.packages import ADDRESS, NAME

pytestmark = pytest.mark.short_form_on("debian-13")

FOLDER = "/run/docker-story"  # where Registrator's unit may write
DOCKER = f"""#!/bin/sh
cd {FOLDER}
case "$1 $2" in
    ps*) printf 'app\\tbridge\\t\\n'; [ ! -e running ] || printf '{NAME}-registrator\\thost\\t\\n' ;;
    network*) echo 'bridge false' ;;
    container*)
        printf '[{{"Name": "/app", "State": {{"Pid": %d}}, ' "$(cat pid)"
        printf '"HostConfig": {{"Dns": ["{ADDRESS}"]}}}}]'
        ;;
    image*) [ -e image ] ;;
    pull*) [ -e registry ] && : >image ;;
    run*) : >running; exec sleep infinity ;;
    stop*) rm -f running ;;
esac
"""
CONTAINER = f"""
set -e
mkdir {FOLDER}
ip link add docker0 type bridge
ip address add 172.17.0.1/16 dev docker0
ip link set docker0 up
ip netns add app
ip link add veth-app type veth peer name eth0 netns app
ip link set veth-app master docker0 up
ip -n app address add 172.17.0.2/16 dev eth0
ip -n app link set eth0 up
ip -n app route add default via 172.17.0.1
systemd-run --quiet --unit=app --property=NetworkNamespacePath=/run/netns/app sleep infinity
systemctl show --value -p MainPID app >{FOLDER}/pid
"""
GONE = f"""
systemctl stop registrator app
ip netns del app; ip link del docker0
rm -rf /usr/local/bin/docker {FOLDER}
systemctl reset-failed registrator
"""
# A firewall as people write them: what comes from containers was forgotten.
FIREWALL = """
table inet story {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        iifname { "lo", "eth0", "dummy0" } accept
    }
}
"""


@pytest.fixture(scope="module", autouse=True)
def app(server: Host) -> Iterator[None]:
    """Give the container and the command that tells of it."""
    server.run(CONTAINER)
    server.put("/usr/local/bin/docker", DOCKER, mode=0o755)
    try:
        yield
    finally:
        server.run(GONE, check=False)


def lines(host: Host) -> dict[str, dict[str, str]]:
    """Return the lines of the check by their names."""
    report = json.loads(host.run([NAME, "check", "--json"], check=False).stdout)
    return {link["name"]: link for link in report["links"]}


def test_the_image_of_registrator_is_missed_until_it_is_there(server: Host) -> None:
    line = lines(server)["registrator"]
    assert (line["state"], line["text"]) == ("broken", "registrator.service is stopped")
    server.run(line["remedy"])
    server.wait_until(lambda: "its image is not on this host" in lines(server)["registrator"]["text"], 10)
    assert lines(server)["registrator"]["remedy"].startswith("docker pull ")
    server.run(f": >{FOLDER}/registry")
    server.run(lines(server)["registrator"]["remedy"])
    server.wait_until(lambda: lines(server)["registrator"]["state"] == "ok", 10)


def test_the_name_is_asked_inside_the_container(server: Host) -> None:
    line = lines(server)["container"]
    assert (line["state"], line["text"]) == ("ok", "tested from inside: app")


def test_a_firewall_that_drops_containers_is_named_with_the_rule_that_mends_it(server: Host) -> None:
    server.put("/srv/firewall", FIREWALL)
    server.run("nft -f /srv/firewall")
    try:
        line = lines(server)["container"]
        assert (line["state"], line["text"][:35]) == ("broken", f"app gets no answer from {ADDRESS}")
        command = line["remedy"].partition("; ")[0]
        assert command == f"nft insert rule inet story input ip daddr {ADDRESS} accept"
        server.run(command)
        assert {lines(server)[name]["state"] for name in ("container", "docker")} == {"ok"}
    finally:
        server.run("nft delete table inet story")


def test_a_bridge_that_the_guard_refuses_is_named_with_the_setting_that_lets_it_in(server: Host) -> None:
    path = f"/etc/default/{NAME}"
    before = server.file(path).text
    server.run("ip route add default dev docker0 metric 9999")
    try:
        server.wait_until(lambda: lines(server)["container"]["state"] == "broken", 10)
        found = lines(server)
        assert (found["guard"]["state"], found["guard"]["text"].split()[0]) == ("warn", "docker0")
        setting = found["container"]["remedy"].partition(" in ")[0].removeprefix("set ")
        assert setting == "BRIDGES='docker0'"
        server.put(path, f"{before}{setting}\n")
        server.run([NAME, "apply"])
        assert {lines(server)[name]["state"] for name in ("container", "guard")} == {"ok"}
    finally:
        server.put(path, before)
        server.run(f"ip route del default dev docker0 metric 9999; {NAME} apply")


def test_a_docker_command_that_is_gone_is_missed(server: Host) -> None:
    server.run("mv /usr/local/bin/docker /usr/local/bin/docker.away")
    try:
        line = lines(server)["docker"]
        assert (line["state"], line["text"]) == ("warn", "there is no docker command")
    finally:
        server.run("mv /usr/local/bin/docker.away /usr/local/bin/docker")
    assert lines(server)["docker"]["state"] == "ok"


def test_a_broken_daemon_json_is_told_by_its_line(server: Host) -> None:
    server.run("mkdir -p /etc/docker")
    server.put("/etc/docker/daemon.json", '{\n  "dns": [,]\n}\n')
    try:
        assert "/etc/docker/daemon.json:2: " in lines(server)["docker"]["text"]
    finally:
        server.run("rm -r /etc/docker")
    assert lines(server)["docker"]["state"] == "ok"
