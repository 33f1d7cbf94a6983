"""Story: hosts with a Consul and a dnsmasq that do more than ours: the package's sandbox is not in their way."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution, Family
from tests.support.containers.host import Host
from tests.support.packages import ADDRESS, DIG, NAME, READY_SECONDS, wait_for_consul

pytestmark = pytest.mark.short_form_on("debian-13")

MARKER = "/opt/consul/executed"
SELF = "http://127.0.0.1:8500/v1/agent/self"
DATA = ("/var/lib/consul", "/srv/consul", "/home/consul/data", "/usr/local/consul")
SCRIPT = {
    "enable_local_script_checks": True,
    "service": {"name": "own", "check": {"args": ["touch", MARKER], "interval": "1s"}},
}
# An interface on which dnsmasq gives addresses and files, and a machine there.
SITE = """
ip netns add machine
ip link add site0 type veth peer name eth0 netns machine
ip address add 198.51.100.1/24 dev site0
ip link set site0 up
ip -n machine link set eth0 up
ip -n machine address add 198.51.100.2/24 dev eth0
mkdir -p /srv/tftp && echo kernel > /srv/tftp/boot
"""
DHCP = """
interface=site0
dhcp-range=198.51.100.10,198.51.100.20,1h
dhcp-authoritative
log-dhcp
enable-tftp
tftp-root=/srv/tftp
listen-address=198.51.100.1
"""
# DHCPREQUEST of 02:00:00:00:00:07 for 198.51.100.15, to be answered by unicast: header, cookie, type 3, address, end.
REQUEST = (
    r"\x01\x01\x06\x00\x00\x00\x00\x07\x00\x00\x00\x00"
    + r"\x00" * 16
    + r"\x02\x00\x00\x00\x00\x07"
    + r"\x00" * 202
    + r"\x63\x82\x53\x63\x35\x01\x03\x32\x04\xc6\x33\x64\x0f\xff"
)
RESOLVCONF = "#!/bin/sh\ncat > /dev/null\necho $1 > /etc/resolvconf-was-here\n"


@pytest.fixture(scope="module")
def host(
    server: Host,
) -> Host:
    server.run("mkdir -p /home/consul")
    return server


def has_sandbox(host: Host, service: str) -> bool:
    """Say whether the service's process cannot gain privileges."""
    return "NoNewPrivs:\t1" in host.output(f"cat /proc/$(systemctl show -p MainPID --value {service})/status")


def restart(host: Host, service: str) -> None:
    """Restart as after a boot or the package's installation, which read all units anew."""
    host.run(f"systemctl daemon-reload && systemctl restart {service}")
    # systemd calls it started before the program itself has begun.
    process = f"/proc/$(systemctl show -p MainPID --value {service})/comm"
    host.wait_until(f"grep -qx {service.removesuffix('.service')} {process}", 15)
    if service == "consul.service":
        # Consul reads its files twice while it starts. With a data_dir that came between, it would take its node's ID
        # from one directory and keep Raft's state in the other, where no later start is ever elected.
        host.wait_until(f"curl --silent --fail --max-time 2 {SELF} >/dev/null", READY_SECONDS, what="Consul answers")


@pytest.mark.parametrize("folder", DATA)
def test_consul_keeps_its_data_where_the_administrator_says(host: Host, folder: str) -> None:
    host.run(f"mkdir -p {folder} && chown -R consul:consul {folder}")
    host.put("/etc/consul.d/zz-data.hcl", f'data_dir = "{folder}"\n')
    try:
        restart(host, "consul.service")
        wait_for_consul(host)
        assert host.file(f"{folder}/node-id").exists
        assert has_sandbox(host, "consul.service") == folder.startswith(("/var", "/srv"))
    finally:
        host.run("rm /etc/consul.d/zz-data.hcl")
        restart(host, "consul.service")


def test_checks_from_files_run_without_the_sandbox(host: Host) -> None:
    assert has_sandbox(host, "consul.service")
    host.put("/etc/consul.d/own.json", json.dumps(SCRIPT))
    try:
        restart(host, "consul.service")
        host.wait_until(f"test -e {MARKER}", 30, what="the check has run")
        assert not has_sandbox(host, "consul.service")
    finally:
        host.run(f"rm -f /etc/consul.d/own.json {MARKER}")
        restart(host, "consul.service")
    assert has_sandbox(host, "consul.service")


def test_an_administrator_switches_the_sandbox_off(host: Host) -> None:
    name = "51-consul-docker-host-sandbox.conf"
    for service in ("consul.service", "dnsmasq.service"):
        folder = f"/etc/systemd/system/{service}.d"
        host.run(f"mkdir -p {folder} && ln -s /dev/null {folder}/{name}")
        restart(host, service)
        assert not has_sandbox(host, service)
        host.run(f"rm -r {folder}")
        restart(host, service)
        assert has_sandbox(host, service)


@pytest.fixture
def site(host: Host) -> Iterator[str]:
    """Give the prefix of a command on a machine that gets addresses and files from the host's dnsmasq."""
    host.run(f"set -e\n{SITE}")
    host.put("/etc/dnsmasq.d/site.conf", DHCP)
    restart(host, "dnsmasq.service")
    yield "ip netns exec machine"
    host.run("rm /etc/dnsmasq.d/site.conf && ip link del site0 && ip netns del machine")
    restart(host, "dnsmasq.service")


def test_dnsmasq_gives_addresses_and_files_in_the_sandbox(host: Host, site: str) -> None:
    assert has_sandbox(host, "dnsmasq.service")
    assert host.output(f"{site} curl --silent --max-time 10 tftp://198.51.100.1/boot") == "kernel"
    host.wait_until(
        f"{site} bash -c \"printf '{REQUEST}' > /dev/udp/198.51.100.1/67\"; "
        "grep -q '02:00:00:00:00:07 198.51.100.15' /var/lib/misc/dnsmasq.leases",
        20,
        what="the lease is in dnsmasq's file",
    )
    journal = host.output("journalctl --unit dnsmasq --no-pager --output=cat")
    assert "DHCPACK(site0) 198.51.100.15 02:00:00:00:00:07" in journal
    assert "not permitted" not in journal
    assert host.output(f"{DIG} consul.service.consul @{ADDRESS}") == host.address()


def test_the_hooks_of_resolvconf_may_do_what_they_do(host: Host, distribution: Distribution) -> None:
    """Debian's unit of dnsmasq calls it after each start; without success dnsmasq does not run."""
    if distribution.family is not Family.DEB:
        assert "resolvconf" not in host.output("systemctl cat dnsmasq.service | grep -v ^#")
        return
    host.put("/sbin/resolvconf", RESOLVCONF, mode=0o755)
    try:
        restart(host, "dnsmasq.service")
        assert host.file("/etc/resolvconf-was-here").text == "-a\n"
    finally:
        host.run("rm -f /sbin/resolvconf /etc/resolvconf-was-here")
        host.run([NAME, "apply"])
        restart(host, "dnsmasq.service")
    assert host.failed_units() == ""
