"""Story: Registrator on one Debian 13, a cluster of one. Whatever is killed, the catalogue is what Docker runs.

The tests follow each other on one machine; each leaves no container behind. With --registrator PATH it is the real one.
"""

from __future__ import annotations

import json

import pytest

from tests.support.machines.guest import Guest
from tests.support.machines.hosts import (
    DIG,
    INSTALL_SECONDS,
    TINY,
    configure,
    ifupdown,
    install,
    install_consul,
    load_images,
    load_tiny_image,
    wait_for_leader,
    wait_for_registrator,
)
from tests.support.packages import ADDRESS, NAME
from tests.support.speed import scaled
from tests.vm.conftest import Bed

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800), pytest.mark.sequence]
CONTAINER = f"{NAME}-registrator"
# The settings' own 30 s: a shorter time would hide how long an emulated host takes to start Registrator again.
RESYNC = 30
BURST = 100
# The catalogue against `docker ps`, to the letter: ID, address and port of each published container, nothing else.
EQUAL = f"""
docker ps --format '{{{{.Names}}}} {{{{.Ports}}}}' |
    sed -n "s/^\\([^ ]*\\) .*0\\.0\\.0\\.0:\\([0-9]*\\)->80.*/$(uname -n):\\1:80 $1 \\2/p" | sort >/run/want
curl --silent --max-time 5 http://{ADDRESS}:8500/v1/catalog/node/$(uname -n) |
    jq -r '.Services[] | select(.ID != "consul") | "\\(.ID) \\(.Address) \\(.Port)"' | sort >/run/have
cmp /run/want /run/have
"""
# Milliseconds from a container's start to the answer to its name.
ANSWERED = f"""
until [ "$({DIG} $1.service.consul @{ADDRESS})" = $2 ]; do sleep 0.05; done
end=$(date +%s%N)
began=$(date +%s%N --date $(docker inspect --format '{{{{.State.StartedAt}}}}' $1))
echo $(((end - began) / 1000000)) >/run/answered
"""
UNTIL_EQUAL = "begin=$(date +%s%N); until sh /var/tmp/equal {address} >/dev/null 2>&1; do sleep 0.2; done"


@pytest.fixture(scope="module")
def host(bed: Bed) -> Guest:
    """Give the machine, with Registrator at work; a hundred containers take more memory than the others need."""
    guest = bed.guest(bed.plan("host-r", 4, distribution="debian-13", uplink=ifupdown(4), memory="3072"))
    assert guest.wait_for_boot() == "running", guest.report()
    guest.put("/var/tmp/equal", EQUAL)
    guest.put("/var/tmp/answered", ANSWERED)
    install_consul(guest)
    load_images(guest)
    load_tiny_image(guest)
    install(guest)
    configure(guest, ROLE="server", BOOTSTRAP_EXPECT="1")
    wait_for_leader(guest)
    wait_for_registrator(guest)
    return guest


def seconds_until_equal(host: Guest, *, seconds: float = RESYNC + 1) -> float:
    """Wait until the catalogue is what Docker runs, and return how long that took by the guest's clock."""
    line = UNTIL_EQUAL.format(address=host.address)
    bounded = f"timeout {scaled(seconds):g} sh -c '{line}; echo $((($(date +%s%N) - begin) / 1000000))'"
    result = host.run(bounded, check=False, seconds=seconds + 20)
    assert result.returncode == 0, host.run("diff /run/want /run/have", check=False).stdout
    return int(result.stdout) / 1000


def start(host: Guest, name: str, options: str = "") -> None:
    """Start a published web server."""
    host.run(f"docker run --detach --publish 80 --name {name} {options} {TINY}")


def clear(host: Guest) -> None:
    """Remove every container but Registrator's."""
    others = f"docker ps --all --format '{{{{.Names}}}}' | grep -v {CONTAINER} | xargs -r docker rm --force"
    host.run(others, seconds=600)


def test_the_container_has_few_rights_and_a_small_log(host: Guest) -> None:
    found = json.loads(host.output(f"docker inspect {CONTAINER}"))[0]
    settings = found["HostConfig"]
    assert settings["ReadonlyRootfs"] is True
    assert settings["CapDrop"] == ["ALL"]
    assert "no-new-privileges" in " ".join(settings["SecurityOpt"])
    assert 0 < settings["PidsLimit"] <= 256
    assert settings["Memory"] == 128 << 20
    assert settings["RestartPolicy"]["Name"] == "no"
    assert settings["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "2", "max-size": "1m"}}
    status = host.output(f"cat /proc/{found['State']['Pid']}/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


@pytest.mark.parametrize(
    ("network", "options", "port"),
    [
        ("bridge", "--publish 80", 80),
        ("own", "--network own --publish 80", 80),
        ("host", "--network host --expose 8088", 8088),
    ],
)
def test_a_container_is_published_where_it_answers(host: Guest, network: str, options: str, port: int) -> None:
    if network == "own":
        host.run("docker network create own")
    name = f"web-{network}"
    labels = f"--env SERVICE_{port}_NAME={name} --name {name}"
    host.run(f"docker run --detach {labels} {options} {TINY} {port} && sh /var/tmp/answered {name} {host.address}")
    print(f"{network}: from the container's start to its name's answer: {host.output('cat /run/answered')} ms")
    entry = json.loads(host.output(f"curl --silent http://{ADDRESS}:8500/v1/catalog/service/{name}"))[0]
    assert entry["ServiceAddress"] == host.address
    assert entry["ServiceID"] == f"{host.name}:{name}:{port}"
    host.run(f"curl --silent --max-time 10 --output /dev/null http://{host.address}:{entry['ServicePort']}/")
    clear(host)
    host.wait_until(f'[ -z "$({DIG} {name}.service.consul @{ADDRESS})" ]', 10)


def test_a_killed_registrator_comes_back_and_leaves_no_ghost(host: Guest) -> None:
    for name in ("stays", "goes"):
        start(host, name)
    seconds_until_equal(host)
    host.run(f"kill -9 $(docker inspect --format '{{{{.State.Pid}}}}' {CONTAINER}); docker rm --force goes")
    print(f"after a kill of Registrator: {seconds_until_equal(host):.1f} s")
    wait_for_registrator(host)


def test_a_killed_client_leaves_no_second_registrator(host: Guest) -> None:
    before = host.output(f"docker inspect --format '{{{{.Id}}}}' {CONTAINER}")
    host.run("kill -9 $(systemctl show --property MainPID --value registrator)")
    start(host, "later")
    print(f"after a kill of its client: {seconds_until_equal(host):.1f} s")
    other = f'[ "$(docker inspect --format "{{{{.Id}}}}" {CONTAINER})" != {before} ]'
    host.wait_until(other, RESYNC, what="Registrator has a new container")
    assert host.output("docker ps --quiet --filter ancestor=fayrus/registrator:v9.2.0").count("\n") == 0
    clear(host)
    seconds_until_equal(host)


def test_a_restart_of_docker_leaves_what_runs(host: Guest) -> None:
    start(host, "again", "--restart unless-stopped")
    start(host, "once")
    seconds_until_equal(host)
    host.run("systemctl restart docker", seconds=180)
    wait_for_registrator(host)
    print(f"after a restart of Docker: {seconds_until_equal(host):.1f} s")
    assert f"{host.name}:again:80" in host.output("cat /run/have")
    assert host.failed_units() == ""
    clear(host)


def test_a_stop_keeps_the_registrations(host: Guest) -> None:
    """The containers go on answering while Registrator is stopped or restarted."""
    start(host, "kept")
    seconds_until_equal(host)
    host.run("systemctl stop registrator")
    assert host.run("systemctl is-failed registrator", check=False).stdout.strip() == "inactive"
    seconds_until_equal(host, seconds=10)
    assert "kept" in host.output("cat /run/have")
    host.run("systemctl start registrator")
    wait_for_registrator(host)
    clear(host)


def test_a_burst_is_published_to_the_last_container(host: Guest) -> None:
    start_all = f"seq {BURST} | xargs -P 4 -I N docker run --detach --publish 80 --name burst-N {TINY} >/dev/null"
    host.run(start_all, seconds=1200)
    print(f"after a burst of {BURST}: {seconds_until_equal(host):.1f} s")
    assert host.output("grep -c burst- /run/have") == str(BURST)
    clear(host)
    print(f"after its end: {seconds_until_equal(host):.1f} s")


def test_a_removal_takes_its_services_along_and_names_who_still_asks(host: Guest) -> None:
    # Enabled, Consul outlives the package; what Registrator did not make stays in it.
    host.run("systemctl enable consul")
    register = 'curl --silent --fail --request PUT --data \'{"Name": "own"}\''
    host.run(f"{register} http://{ADDRESS}:8500/v1/agent/service/register")
    start(host, "asks", f"--dns {ADDRESS}")
    start(host, "silent", "--dns 10.77.0.1")
    host.wait_until(f"curl --silent http://{ADDRESS}:8500/v1/agent/services | grep -q :silent:80", RESYNC)
    line = f"begin=$(date +%s%N); apt-get remove --yes {NAME} 2>&1; echo $((($(date +%s%N) - begin) / 1000000)) ms"
    said = host.output(line, seconds=INSTALL_SECONDS)
    print(f"removal: {said.splitlines()[-1]}")
    (line,) = [line for line in said.splitlines() if "still use" in line]
    assert line.endswith(": asks")
    assert CONTAINER not in host.output("docker ps --all --format '{{.Names}}'")
    assert ADDRESS not in host.output("ip address; nft list ruleset")
    host.wait_until("curl --silent --fail http://127.0.0.1:8500/v1/agent/services >/run/services", 60)
    assert list(json.loads(host.output("cat /run/services"))) == ["own"]
    assert host.failed_units() == ""
