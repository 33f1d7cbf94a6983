"""Story: upgrade and removal on a host at work: how long DNS was away, what Registrator leaves, who still asks.

Docker is a program of a few lines here, because no engine runs in these hosts; Consul, dnsmasq and systemd are real.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.upstream import Upstream
from tests.support.packages import ADDRESS, NAME, Installer, wait_for_consul
from tests.support.speed import is_within

pytestmark = [pytest.mark.family("deb"), pytest.mark.short_form_on("debian-12"), pytest.mark.sequence]
INSPECTED = json.dumps(
    [
        {"Name": "/asks", "HostConfig": {"Dns": [ADDRESS]}, "Config": {"Env": []}, "ResolvConfPath": ""},
        {"Name": "/silent", "HostConfig": {"Dns": None}, "Config": {"Env": ["A=b"]}, "ResolvConfPath": ""},
    ]
)
DOCKER = f"""#!/bin/sh
[ ! -e /run/hung ] || exec sleep 600
case $1 in
    run) echo "$@" >/run/docker-run; exec sleep infinity ;;
    ps) echo 0123456789ab ;;
    container) echo '{INSPECTED}' ;;
esac
"""
MILLISECONDS = "begin=$(date +%s%N); {line}; echo $((($(date +%s%N) - begin) / 1000000))"


@pytest.fixture(scope="module")
def host(bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer) -> Iterator[Host]:
    """Give a cluster of one whose Consul is enabled, so that it outlives the package."""
    with bed.host(ready, name=f"{distribution.name}-live", resolv_conf=upstream.resolv_conf) as host:
        host.put("/usr/local/bin/docker", DOCKER, mode=0o755)
        installer.install(host)
        installer.become_server(host)
        host.run("systemctl enable consul.service")
        host.wait_until("test -e /run/docker-run", 20, what="Registrator's container is asked for")
        yield host


def reinstall(host: Host, installer: Installer) -> str:
    """Install the same version over itself, an upgrade to every script, and return what that printed of DNS."""
    said = host.run(f"apt-get install --yes --reinstall {installer.target}", seconds=120).stdout
    (line,) = [line for line in said.splitlines() if line.startswith(f"{NAME}: DNS")]
    return line


def test_the_first_install_says_nothing_of_dns(host: Host) -> None:
    assert "DNS" not in host.file("/var/log/apt/term.log").text


def test_an_upgrade_that_changes_nothing_keeps_dns(host: Host, installer: Installer) -> None:
    assert reinstall(host, installer) == f"{NAME}: DNS kept answering"


def test_an_upgrade_that_restarts_dnsmasq_says_how_long(host: Host, installer: Installer) -> None:
    # What an earlier apply has asked for would take the change up before the upgrade does.
    host.wait_until("! systemctl --quiet is-active consul-docker-host-resolver.service", 20)
    host.run("echo '# changed' >>/etc/dnsmasq.d/consul.conf")
    before = host.output("pidof dnsmasq")
    line = reinstall(host, installer)
    print(line)
    assert re.fullmatch(rf"{NAME}: DNS was unavailable for (less than )?\d\.\d s", line)
    assert host.output("pidof dnsmasq") != before


def test_an_upgrade_waits_for_a_slow_restart(host: Host, installer: Installer) -> None:
    slow = "/etc/systemd/system/dnsmasq.service.d/slow.conf"
    host.put(slow, "[Service]\nExecStartPre=/bin/sleep 6\n")
    host.wait_until("! systemctl --quiet is-active consul-docker-host-resolver.service", 20)
    host.run("systemctl daemon-reload; echo '# changed again' >>/etc/dnsmasq.d/consul.conf")
    line = reinstall(host, installer)
    host.run(f"rm {slow}; systemctl daemon-reload")
    assert float(line.removeprefix(f"{NAME}: DNS was unavailable for ").removesuffix(" s")) >= 6


def test_a_removal_takes_registrators_services_and_names_who_still_asks(host: Host, installer: Installer) -> None:
    wait_for_consul(host)
    for service in (
        f"{host.output('uname -n')}:web:80",
        f"{host.output('uname -n')}:dns:53:udp",
        "other:web:80",
        "own",
    ):
        body = json.dumps({"ID": service, "Name": "web", "Port": 80})
        url = f"http://{ADDRESS}:8500/v1/agent/service/register"
        host.run(["curl", "--silent", "--fail", "--request", "PUT", "--data", body, url])
    result = installer.remove(host)
    (line,) = [line for line in result.output.splitlines() if "still use" in line]
    assert line.startswith(f"{NAME}: these containers still use {ADDRESS}")
    assert line.endswith(": asks")
    host.wait_until("curl --silent --fail http://127.0.0.1:8500/v1/agent/services >/run/services", 30)
    assert sorted(json.loads(host.file("/run/services").text)) == ["other:web:80", "own"]


def test_a_removal_waits_for_nobody(host: Host, installer: Installer) -> None:
    """A client takes 5 s to leave its cluster; it does so by itself."""
    host.run(f"systemctl disable --now consul.service; sed -i 's/^ROLE=.*/ROLE=client/; /^BOOT/d' /etc/default/{NAME}")
    host.run("rm -rf /opt/consul/*")
    installer.install(host)
    host.wait_until(f"curl --silent --fail http://{ADDRESS}:8500/v1/agent/self >/dev/null", 30)
    host.wait_until("systemctl --quiet is-active registrator", 20)
    took = int(host.output(MILLISECONDS.format(line=f"/var/lib/dpkg/info/{NAME}.prerm remove >/dev/null 2>&1")))
    is_leaving = host.run("pidof consul", check=False).returncode == 0
    print(f"prerm remove: {took} ms")
    assert is_leaving or is_within(took / 1000, 4), "it has waited until Consul had left"
    took = int(host.output(MILLISECONDS.format(line=f"apt-get remove --yes {NAME} >/dev/null 2>&1")))
    print(f"apt-get remove: {took} ms")
    host.wait_until("! pidof consul", 30, what="Consul has left")
    assert host.failed_units() == ""


def test_a_purge_does_not_hang_with_a_hung_docker(host: Host, installer: Installer) -> None:
    installer.install(host)
    host.wait_until("systemctl --quiet is-active registrator", 20)
    host.run("touch /run/hung")
    took = int(host.output(MILLISECONDS.format(line=f"apt-get purge --yes {NAME} >/dev/null 2>&1"), seconds=90))
    print(f"purge with a hung Docker: {took} ms")
    assert is_within(took / 1000, 20)
    assert ADDRESS not in host.output("ip -4 -o address")
    assert host.failed_units() == ""
