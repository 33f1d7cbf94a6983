"""Story: what goes wrong on a living host is named at once, takes nothing else along, and heals when it is mended.

The faults follow each other on the shared host; each is mended by the remedy that the check gave, word for word, or by
taking back the file. Nobody restarts anything beyond that.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest

from consul_docker_host.core.workspace import ROOT
from tests.support.containers import upstream
from tests.support.containers.host import Host
from tests.support.packages import ADDRESS, DIG, NAME, wait_for_consul

pytestmark = pytest.mark.short_form_on("debian-13")

SCHEMA = json.loads((ROOT / "tests/host/check.schema.json").read_text())
HEALED_SECONDS = 15.0
# The whole walk, whatever hangs.
BOUND_SECONDS = 20.0
CONSUL_FILE = "/etc/consul.d/zz-story.json"
DNSMASQ_FILE = "/etc/dnsmasq.d/zz-story.conf"
SETTINGS = f"/etc/default/{NAME}"
# As servers do, it takes a port on which connections that Consul has closed are still in TIME-WAIT.
HOLDER = """
[Service]
ExecStart=/usr/bin/perl -MIO::Socket::INET -e '$$s = IO::Socket::INET->new(@NEW@) or die $$!; sleep'
"""
OPTIONS = 'LocalAddr => "@AT@", Listen => 5, ReuseAddr => 1'


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the check."""

    name: str
    state: str
    text: str
    remedy: str

    @property
    def command(self) -> str:
        """The remedy as a shell takes it: a program that comes up by itself is only told of."""
        return self.remedy.partition("; ")[0]


def check(host: Host) -> tuple[list[Line], dict[str, Any]]:
    """Return the lines of the check and the whole report, which fits its schema and its exit code."""
    result = host.run([NAME, "check", "--json"], check=False, seconds=BOUND_SECONDS + 10)
    report: dict[str, Any] = json.loads(result.stdout)
    jsonschema.validate(report, SCHEMA)
    assert result.returncode == {"ok": 0, "warn": 1, "broken": 2}[report["state"]]
    return [Line(**link) for link in report["links"]], report


def faults(host: Host) -> set[str]:
    """Return the links that are not well. Docker is not on these hosts, which the check says."""
    return {line.name for line in check(host)[0] if line.state != "ok"} - {"docker"}


def wait_for_line(host: Host, name: str, text: str) -> Line:
    """Wait until the check has that text on the line of that name."""
    found: list[Line] = []

    def is_told() -> bool:
        found[:] = [line for line in check(host)[0] if line.name == name]
        return any(text in line.text for line in found)

    try:
        host.wait_until(is_told, HEALED_SECONDS, what=f"{name}: {text}")
    except AssertionError as error:
        raise AssertionError(f"{error}\nlast: {found}") from None
    return next(line for line in found if text in line.text)


@contextlib.contextmanager
def mended(host: Host, undo: str = "true") -> Iterator[None]:
    """Take the fault back at the end of the block and wait until the host has healed by itself."""
    try:
        yield
    finally:
        host.run(undo, check=False)
    begin = time.monotonic()
    host.wait_until(lambda: not faults(host), HEALED_SECONDS, what="healed")
    print(f"healed after {time.monotonic() - begin:.1f} s")


@contextlib.contextmanager
def without_watch(host: Host) -> Iterator[None]:
    """Stop what would put address and guard back."""
    host.run("systemctl stop consul-docker-host-watch")
    try:
        yield
    finally:
        host.run("systemctl start consul-docker-host-watch")


@pytest.fixture(scope="module", autouse=True)
def healthy(server: Host) -> Iterator[None]:
    """Begin and end with a host on which nothing is wrong."""
    server.wait_until(lambda: not faults(server), 30)
    yield
    server.wait_until(lambda: not faults(server), 30)
    wait_for_consul(server)


def test_a_look_at_a_sound_host_is_short(server: Host) -> None:
    clock = server.output(f"begin=$(date +%s%N); {NAME} check >/dev/null; echo $(($(date +%s%N) - begin))")
    print(f"the walk took {int(clock) / 1e9:.2f} s")
    assert int(clock) < 5e9


def test_a_wrong_line_in_the_settings_is_told_by_its_number(server: Host) -> None:
    number = len(server.file(SETTINGS).text.splitlines()) + 1
    with mended(server, f"sed -i '{number}d' {SETTINGS}"):
        server.run(f"echo 'what is this' >>{SETTINGS}")
        assert wait_for_line(server, "settings", f"{SETTINGS}:{number}: ").state == "warn"
        said = server.run([NAME, "apply"], check=False)
        assert said.returncode == 1
        assert f"{SETTINGS}:{number}: " in said.stderr
        assert faults(server) == {"settings"}


def test_an_invalid_file_ends_consul_alone_and_its_removal_heals(server: Host) -> None:
    with mended(server, f"rm {CONSUL_FILE}"):
        server.put(CONSUL_FILE, '{"service":\n  {"name": x}}\n')
        server.run("systemctl restart consul")
        line = wait_for_line(server, "consul", f"{CONSUL_FILE}:2: ")
        assert (line.state, line.remedy) == ("broken", "fix that file; Consul then starts by itself")
        assert f"{CONSUL_FILE}:2: " in server.output("journalctl --no-pager -u consul -n 50")
        assert faults(server) == {"consul", "dns", "resolver"}
        assert server.output(f"{DIG} {upstream.NAME}") == upstream.ADDRESS


@pytest.mark.long
def test_an_unknown_key_of_consul_is_named_with_its_file(server: Host) -> None:
    with mended(server, f"rm {CONSUL_FILE}"):
        server.put(CONSUL_FILE, '{"servce": {"name": "x"}}\n')
        assert wait_for_line(server, "consul", "is running, but would fail to restart").state == "warn"
        server.run("systemctl restart consul")
        line = wait_for_line(server, "consul", "cannot start")
        assert CONSUL_FILE in line.text
        assert "servce" in line.text


@pytest.mark.long
def test_a_consul_that_is_skipped_in_silence_is_told(server: Host) -> None:
    """HashiCorp's unit wants its main file."""
    with mended(server, "mv /etc/consul.d/consul.away /etc/consul.d/consul.hcl; systemctl restart consul"):
        server.run("mv /etc/consul.d/consul.hcl /etc/consul.d/consul.away; systemctl restart consul")
        line = wait_for_line(server, "consul", "does not start without /etc/consul.d/consul.hcl")
        server.run(line.remedy)
        server.wait_until(lambda: not faults(server), HEALED_SECONDS)


@pytest.mark.long
def test_a_file_that_consul_may_not_read_is_named(server: Host) -> None:
    with mended(server, f"rm {CONSUL_FILE}"):
        server.put(CONSUL_FILE, "{}\n", mode=0o600)
        server.run("systemctl restart consul")
        assert "permission denied" in wait_for_line(server, "consul", CONSUL_FILE).text


def test_a_broken_fragment_ends_dnsmasq_alone_and_its_removal_heals(server: Host) -> None:
    with mended(server, f"rm {DNSMASQ_FILE}"):
        server.put(DNSMASQ_FILE, "# story\nfrobnicate=1\n")
        assert wait_for_line(server, "dnsmasq", "would fail to restart").state == "warn"
        server.run("systemctl restart dnsmasq", check=False)
        line = wait_for_line(server, "dnsmasq", "cannot start")
        assert f"line 2 of {DNSMASQ_FILE}" in line.text
        # By its name: the journal does not always learn the unit of a process that ends at once.
        assert f"line 2 of {DNSMASQ_FILE}" in server.output("journalctl --no-pager -t dnsmasq -n 400")
        assert server.output(f"curl --silent http://{ADDRESS}:8500/v1/status/leader") != ""


def test_bind_interfaces_is_named_with_its_file(server: Host) -> None:
    with mended(server, f"rm {DNSMASQ_FILE}"):
        server.put(DNSMASQ_FILE, "bind-interfaces\nbind-dynamic\n")
        server.run("systemctl restart dnsmasq", check=False)
        server.wait_until(lambda: not server.service("dnsmasq").is_active, 5)
        line = wait_for_line(server, "dnsmasq", f"bind-dynamic in {DNSMASQ_FILE}")
        assert line.state == "broken"


@pytest.mark.parametrize(
    ("unit", "link", "at"),
    [
        ("consul", "consul", f"{ADDRESS}:8500"),
        pytest.param("consul", "consul", f"{ADDRESS}:8600", marks=pytest.mark.long),
        ("dnsmasq", "dnsmasq", f"{ADDRESS}:53"),
    ],
)
def test_a_port_that_another_holds_is_named_with_its_holder(server: Host, unit: str, link: str, at: str) -> None:
    server.put("/etc/systemd/system/holder.service", HOLDER.replace("@NEW@", OPTIONS).replace("@AT@", at))
    with mended(server, "systemctl stop holder; rm /etc/systemd/system/holder.service; systemctl daemon-reload"):
        server.run(f"systemctl daemon-reload; systemctl stop {unit}; systemctl start holder")
        server.wait_until(f"ss -Hlnt | grep -qF {at}", 5)
        server.run(f"systemctl start --no-block {unit}")
        line = wait_for_line(server, link, f"{at} is held by perl")
        assert line.command == "systemctl disable --now holder.service"
        server.run(line.command)
        server.wait_until(lambda: not faults(server), HEALED_SECONDS)


@pytest.mark.parametrize(
    ("name", "damage", "text"),
    [
        ("address", f"ip address del {ADDRESS}/32 dev dummy0", "not on dummy0"),
        pytest.param("link", "ip link set dummy0 down", "is down", marks=pytest.mark.long),
        pytest.param("link", "ip link del dummy0", "is missing", marks=pytest.mark.long),
        ("guard", "nft delete table ip consul_docker_host", "reachable from the network"),
        ("environment", "sed -i /^CONSUL/d /etc/environment", "missing"),
        pytest.param("consul", "systemctl stop consul", "is stopped", marks=pytest.mark.long),
        pytest.param("dnsmasq", "systemctl stop dnsmasq", "is stopped", marks=pytest.mark.long),
        pytest.param("dnsmasq", "systemctl mask --now dnsmasq", "is masked", marks=pytest.mark.long),
        pytest.param("consul", "systemctl mask --now consul", "is masked", marks=pytest.mark.long),
        pytest.param("api", "systemctl kill --signal=STOP consul", "no answer", marks=pytest.mark.long),
        pytest.param("dnsmasq", "systemctl kill --signal=STOP dnsmasq", "no answer", marks=pytest.mark.long),
    ],
)
def test_the_remedy_mends(server: Host, name: str, damage: str, text: str) -> None:
    with without_watch(server), mended(server):
        server.run(damage)
        line = wait_for_line(server, name, text)
        server.run(line.command)


def test_a_consul_that_is_gone_is_missed_and_taken_up_again(server: Host) -> None:
    with mended(server, "mv /usr/bin/consul.away /usr/bin/consul"):
        server.run("mv /usr/bin/consul /usr/bin/consul.away")
        assert wait_for_line(server, "consul", "would fail to restart").state == "warn"
        server.run("systemctl restart consul")
        line = wait_for_line(server, "consul", "not installed")
        assert line.state == "broken"
        assert "install consul" in line.remedy
        assert server.output(f"{DIG} {upstream.NAME}") == upstream.ADDRESS


def test_the_walk_ends_in_time_when_all_hang(server: Host) -> None:
    with mended(server, "systemctl kill --signal=CONT consul dnsmasq"):
        server.run("systemctl kill --signal=STOP consul dnsmasq")
        for command in ("check", "status"):
            begin = time.monotonic()
            server.run([NAME, command], check=False, seconds=BOUND_SECONDS + 10)
            print(f"{command}: {time.monotonic() - begin:.1f} s")
            assert time.monotonic() - begin < BOUND_SECONDS


def test_an_ordinary_user_sees_what_it_can(server: Host) -> None:
    user = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    result = server.run(f"{user} {NAME} check --json", check=False)
    lines = {link["name"]: link for link in json.loads(result.stdout)["links"]}
    assert {name for name, line in lines.items() if line["state"] == "broken"} == set()
    assert lines["guard"]["text"] == "only root can check this"
    assert {lines[name]["state"] for name in ("link", "address", "consul", "api", "joined", "dns", "dnsmasq")} == {"ok"}


def test_the_status_tells_who_and_what(server: Host) -> None:
    server.run(f"for one in 1 2 3 4; do {DIG} {upstream.NAME} @{ADDRESS}; done")
    said = server.output([NAME, "status"])
    print(said)
    assert f"server in dc1, advertises {server.address()}" in said
    assert "1: 1 alive, 0 failed" in said
    assert "% of " in said
    assert "consul.service             active for" in said
