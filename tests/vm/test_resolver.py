"""Story: whoever owns resolv.conf, host and containers find Consul's names and the site's; removal gives it back.

The owner is installed from apt's cache on a booted machine, as an administrator would, before the package. Each has its
address and DNS server by DHCP, so that a lease can name another server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from tests.support.machines.guest import Guest
from tests.support.machines.hosts import (
    DIG,
    INSTALL_SECONDS,
    TOOLS,
    Uplink,
    configure,
    ifupdown,
    install,
    install_consul,
    load_images,
    networkd,
    wait_for_leader,
)
from tests.support.machines.lan import (
    OTHER_RESOLVER,
    OUTSIDE_ADDRESS,
    OUTSIDE_NAME,
    PRIVATE_ADDRESS,
    PRIVATE_NAME,
    ROUTER,
    Lan,
)
from tests.support.machines.musl import IMAGE, load_musl
from tests.support.packages import ADDRESS, NAME
from tests.support.speed import is_within
from tests.vm.conftest import Bed

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # the first test of a file waits for its machine
NUMBER = 4
CONSUL = "consul.service.consul"
APT = "apt-get install --yes --no-install-recommends"
GLIBC = f"--volume /usr:/usr:ro {TOOLS}"
SERVERS = rf"docker run --rm {GLIBC} sed -n 's/^nameserver \([0-9.]*\).*/\1/p' /etc/resolv.conf"
OWNED = r"""
readlink /etc/resolv.conf; cat /etc/resolv.conf
cd /etc; find dhcp resolvconf NetworkManager systemd network -type f 2>/dev/null | sort | xargs sha256sum
! command -v resolvectl >/dev/null || for what in dns domain; do resolvectl $what | sed 's/^Link [0-9]* //' | sort; done
"""
# The guest's clock counts, in ms: what the question of the test itself costs is no part of it.
TIMED = "begin=$(date +%s%N); {line} >/dev/null || exit 9; echo $((($(date +%s%N) - begin) / 1000000))"
MENDED = f"head -n 1 /etc/resolv.conf | grep -qF 'nameserver {ADDRESS} # {NAME}'"
DAEMON_JSON = '{ "log-level":"warn",\n "labels": ["by=hand"]}'
_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who writes resolv.conf: the machine, what makes it the owner, what the package decides, what Docker copies."""

    distribution: str
    uplink: Uplink
    prepare: str = ""
    decision: str
    copied: tuple[str, ...] = (ADDRESS, ROUTER)


OWNERS = {
    # dnsmasq runs before resolved comes, and holds the stub's port; the administrator has named a server for all links.
    "resolved": Owner(
        distribution="debian-13",
        uplink=networkd(NUMBER, is_dhcp=True),
        prepare=f"{APT} systemd-resolved && echo DNS={ROUTER} >>/etc/systemd/resolved.conf"
        # Docker looks once, when it starts, whether resolved writes the file.
        " && systemctl restart systemd-resolved docker",
        decision="systemd-resolved asks dnsmasq",
        copied=(ROUTER, ADDRESS),
    ),
    "networkmanager": Owner(
        distribution="debian-12",
        uplink=ifupdown(NUMBER, is_dhcp=True),
        prepare="ifdown eth0; sed -i /eth0/d /etc/network/interfaces; rm -f /etc/resolv.conf;"
        f" {APT} network-manager && systemctl restart NetworkManager",
        decision="managed by NetworkManager; our nameserver line was added",
    ),
    "dhcp": Owner(
        distribution="debian-12", uplink=ifupdown(NUMBER, is_dhcp=True), decision="our nameserver line was added"
    ),
    "dhcpcd": Owner(
        distribution="debian-13",
        uplink=ifupdown(NUMBER, is_dhcp=True),
        prepare=f"ifdown eth0; dpkg --purge isc-dhcp-client; {APT} dhcpcd-base && rm -f /etc/resolv.conf && ifup eth0",
        decision="our nameserver line was added",
    ),
    # It names 127.0.0.1 alone, which Docker leaves out.
    "resolvconf": Owner(
        distribution="debian-12",
        uplink=ifupdown(NUMBER, is_dhcp=True),
        prepare=f"{APT} resolvconf && ifdown eth0 && ifup eth0 && systemctl restart dnsmasq",
        decision="dnsmasq's own hook",
        copied=("8.8.8.8", "8.8.4.4"),
    ),
}


@pytest.fixture(scope="module", params=tuple(OWNERS.values()), ids=tuple(OWNERS))
def owner(request: pytest.FixtureRequest) -> Owner:
    found = request.param
    assert isinstance(found, Owner)
    return found


@pytest.fixture(scope="module")
def host(bed: Bed, owner: Owner) -> Iterator[Guest]:
    """Give the machine with its owner of resolv.conf, Consul and images, without the package."""
    bed.lan.lease, bed.lan.resolver = 40, ROUTER
    guest = bed.guest(bed.plan(f"owner-{next(_numbers)}", NUMBER, distribution=owner.distribution, uplink=owner.uplink))
    assert guest.wait_for_boot() == "running", guest.report()
    if owner.prepare:
        guest.run(owner.prepare, seconds=INSTALL_SECONDS)
    guest.wait_until("grep -q ^nameserver /etc/resolv.conf && ip route | grep -q default", 60)
    install_consul(guest)
    load_images(guest)
    load_musl(guest)
    yield guest
    guest.cut_power()


@pytest.fixture(scope="module")
def before(host: Guest) -> str:
    """Give what stood in the owner's files, and what resolved knew, before the package."""
    return host.output(OWNED)


def assert_all_resolve(host: Guest) -> None:
    """Ask for a name of Consul's, an outside one and a private one: the host, and containers with --dns."""
    known = {CONSUL: host.address, OUTSIDE_NAME: OUTSIDE_ADDRESS, PRIVATE_NAME: PRIVATE_ADDRESS}
    for name, address in known.items():
        host.wait_until(f"getent ahostsv4 {name} | grep -q '^{address} '", 30, what=f"the host finds {name}")
    assert_containers_find(host, f"--dns {ADDRESS}", known)


def assert_containers_find(host: Guest, options: str, known: dict[str, str]) -> None:
    """Ask from a container of each C library, with these options of `docker run`."""
    answer = host.output(f"docker run --rm {options} {IMAGE} /resolve {' '.join(known)}")
    assert answer.splitlines() == [f"{name} {address}" for name, address in known.items()], "musl"
    lines = "; ".join(f"getent ahostsv4 {name} | sed -n '1s/ .*//p'" for name in known)
    assert host.output(f'docker run --rm {options} {GLIBC} sh -c "{lines}"').split() == list(known.values()), "glibc"


def milliseconds(host: Guest, lan: Lan, question: str) -> int:
    """Return how long the guest takes to find an outside name that nobody has asked for before."""
    name = f"fresh-{next(_numbers)}.example"
    lan.names[name] = OUTSIDE_ADDRESS
    return int(host.output(TIMED.format(line=question.format(name=name))))


def test_host_and_containers_find_all_names(host: Guest, owner: Owner, before: str) -> None:
    assert ADDRESS not in before
    install(host)
    configure(host, ROLE="server", BOOTSTRAP_EXPECT="1")
    wait_for_leader(host)
    assert_all_resolve(host)
    assert owner.decision in host.output("/usr/lib/consul-docker-host/resolver path")
    assert host.failed_units() == ""


def test_docker_copies_what_the_documentation_says(host: Guest, owner: Owner) -> None:
    """A musl program asks all of them at once, so it needs --dns or docker-dns."""
    assert tuple(host.output(SERVERS).split()) == owner.copied


def test_docker_dns_leads_containers_without_a_flag(host: Guest) -> None:
    host.put("/etc/docker/daemon.json", DAEMON_JSON)
    said = host.output(f"{NAME} docker-dns on")
    assert "systemctl restart docker" in said
    assert host.output("jq -c . /etc/docker/daemon.json") == (
        f'{{"log-level":"warn","labels":["by=hand"],"dns":["{ADDRESS}"]}}'
    )
    host.run("systemctl restart docker", seconds=90)
    assert_containers_find(host, "", {CONSUL: host.address, OUTSIDE_NAME: OUTSIDE_ADDRESS})
    assert host.output(SERVERS) == ADDRESS
    host.run(f"{NAME} docker-dns off && systemctl restart docker", seconds=90)
    assert host.run("cat /etc/docker/daemon.json").stdout == DAEMON_JSON


def test_docker_dns_leaves_another_choice_alone(host: Guest) -> None:
    host.put("/etc/docker/daemon.json", '{"dns": ["10.0.0.1"]}')
    refusal = host.run(f"{NAME} docker-dns on", check=False)
    assert (refusal.returncode, host.output("cat /etc/docker/daemon.json")) == (1, '{"dns": ["10.0.0.1"]}')
    assert "/etc/docker/daemon.json:dns:" in refusal.stderr
    host.run("rm /etc/docker/daemon.json")


@pytest.mark.parametrize("server", [OTHER_RESOLVER, ROUTER], ids=["another server", "the first one again"])
def test_upstreams_follow_the_lease(host: Guest, lan: Lan, server: str) -> None:
    """Only the server that the lease names answers."""
    lan.resolver, given = server, lan.leases_given
    name = f"fresh-{next(_numbers)}.example"
    lan.names[name] = OUTSIDE_ADDRESS
    host.wait_until(lambda: lan.leases_given > given, lan.lease, what="the lease is renewed")
    asked = f"dig +short +time=1 +tries=1 {name} @{ADDRESS}"
    took = host.wait_until(f'[ "$({asked})" = {OUTSIDE_ADDRESS} ]', 30, what=f"dnsmasq asks {server}")
    print(f"after the renewal: {took:.1f} s")
    assert is_within(took, 5)
    assert_all_resolve(host)


def test_a_reboot_changes_nothing(host: Guest, owner: Owner) -> None:
    assert host.reboot() == "running", host.report()
    wait_for_leader(host)
    host.wait_until("docker version", 60)
    assert_all_resolve(host)
    assert owner.decision in host.output("/usr/lib/consul-docker-host/resolver path")
    assert host.failed_units() == ""


@pytest.mark.parametrize("halt", ["kill -s STOP", "stop"])
def test_outside_names_never_wait_for_consul(host: Guest, lan: Lan, halt: str) -> None:
    """A wait would last for 5 s, glibc's patience with a server, and that by any machine's clock."""
    questions = ("getent ahosts {name}", f"{DIG} {{name}} @{ADDRESS}")
    before = [milliseconds(host, lan, question) for question in questions]
    host.run(f"systemctl {halt} consul")
    took = [milliseconds(host, lan, question) for question in questions]
    host.run("systemctl kill -s CONT consul; systemctl start --no-block consul")
    assert max(took) - max(before) < 3000, f"ms: {took}, with Consul {before}"
    assert host.output(f"{DIG} {PRIVATE_NAME} @{ADDRESS}") == PRIVATE_ADDRESS


def test_who_writes_over_the_line_is_mended_and_never_fought(host: Guest, owner: Owner) -> None:
    if "our nameserver line was added" not in owner.decision:
        assert NAME not in host.output("cat /etc/resolv.conf")
        return
    host.run("rm -f /run/consul-docker-host/fixed; sed 1d /etc/resolv.conf >/var/tmp/plain")
    write = "cat /var/tmp/plain >/etc/resolv.conf"
    once = f"{write}; until {MENDED}; do sleep 0.2; done"
    healed = int(host.output(TIMED.format(line=f"{{ {once}; }}"))) / 1000
    assert is_within(healed, 5)
    host.run(f"for _ in $(seq 20); do {write}; sleep 1; done", seconds=60)
    runs = host.output(
        "journalctl --boot --unit consul-docker-host-resolver --output=cat --since=-40s | grep -c Started"
    )
    assert int(runs) <= 6
    host.wait_until(MENDED, 70)
    assert host.failed_units() == ""
    assert host.output("systemctl is-active consul-docker-host-resolver.path") == "active"


def test_removal_gives_everything_back(host: Guest, owner: Owner, before: str) -> None:
    """What was not so before: beside resolved a dnsmasq without ours has no port 53 left, and the host is told."""
    said = host.output(f"apt-get purge --yes {NAME} 2>&1", seconds=INSTALL_SECONDS)
    assert ("dnsmasq cannot run next to systemd-resolved" in said) is (owner == OWNERS["resolved"])
    host.wait_until(f"getent ahostsv4 {OUTSIDE_NAME} | grep -q '^{OUTSIDE_ADDRESS} '", 30)
    assert host.output(OWNED) == before
