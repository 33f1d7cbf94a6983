"""Story: what runs on a host can do no more than its work, and the API runs nobody's program, whoever asks."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.containers.host import Host
from tests.support.containers.namespace import CONTAINER
from tests.support.exposure import Limit, read_limits
from tests.support.packages import ADDRESS, DIG, NAME, wait_for_consul
from tests.support.speed import scaled
from tests.unit.kit import copy_checkout, plan_of

pytestmark = pytest.mark.short_form_on("debian-13")

LIMITS = {limit.name: limit for limit in read_limits()}
MARKER = "/opt/consul/executed"  # where Consul's user may write
API = f"http://{ADDRESS}:8500/v1"
ASK = "curl --silent --max-time 5"
NET_BIND_SERVICE = 1 << 10
# What the known attack registers: a service whose health check is a program, in the two ways Consul has known.
CHECKS = {
    "args": {"args": ["sh", "-c", f"touch {MARKER}"], "interval": "1s", "timeout": "10s"},
    "script": {"script": f"touch {MARKER}", "interval": "1s", "timeout": "10s"},
}


@pytest.fixture(scope="module")
def app(server: Host) -> Iterator[str]:
    """Give the prefix of a command that runs in a container."""
    server.run(f"set -e\n{CONTAINER}")
    yield "ip netns exec app"
    server.run("ip netns del app; ip link del docker0; rm -r /etc/netns")


@pytest.fixture(params=["host", "container"])
def asker(request: pytest.FixtureRequest, app: str) -> str:
    """Give the prefix of a command on the host and in a container."""
    return "" if request.param == "host" else app


def status(host: Host, unit: str) -> dict[str, str]:
    """Return /proc/PID/status of a unit's main process."""
    text = host.output(f"cat /proc/$(systemctl show --property=MainPID --value {unit})/status")
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def assert_has_filters(host: Host, found: dict[str, str]) -> None:
    """Fail unless a program is under more filters of system calls than the host's own first process."""
    assert int(found["Seccomp_filters"]) > int(host.output("sed -n 's/^Seccomp_filters:\\t//p' /proc/1/status"))


def code(host: Host, asker: str, method: str, path: str, data: str = "") -> int:
    """Return the HTTP status of one question to the API."""
    host.put("/var/tmp/question", data)
    options = "--output /dev/null --write-out '%{http_code}' --data @/var/tmp/question"
    body = options if data else options.partition(" --data")[0]
    return int(host.output(f"{asker} {ASK} --request {method} {body} {API}/{path}"))


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS.keys())
def test_no_unit_is_more_exposed_than_its_figure(server: Host, limit: Limit) -> None:
    """The units of HashiCorp and of the distribution with our drop-ins, judged by the distribution's systemd."""
    # Its --threshold would say the same, and Debian 11 has none.
    said = server.output(["systemd-analyze", "security", "--no-pager", limit.name])
    level = re.search(r"exposure level for \S+: ([0-9.]+)", said)
    assert level, said
    assert float(level[1]) <= limit.at_most, said


def test_systemd_has_nothing_to_say_of_the_units(server: Host) -> None:
    judged = server.run(["systemd-analyze", "verify", "--man=no", *LIMITS, f"{NAME}.target"], check=False)
    assert [line for line in judged.output.splitlines() if NAME in line or "sandbox" in line] == []


def test_consul_runs_without_any_privilege(server: Host) -> None:
    found = status(server, "consul.service")
    assert {int(found[name], 16) for name in ("CapBnd", "CapEff", "CapPrm", "CapAmb")} == {0}
    assert found["NoNewPrivs"] == "1"
    assert_has_filters(server, found)
    assert found["Uid"].split()[0] == server.output("id --user consul")


def test_dnsmasq_goes_on_as_its_user_with_one_capability(server: Host) -> None:
    found = status(server, "dnsmasq.service")
    assert found["Uid"].split()[0] == server.output("id --user dnsmasq")
    # Where no DHCP is asked of it, as by Enterprise Linux, it keeps not even that one.
    assert int(found["CapEff"], 16) in {0, NET_BIND_SERVICE}
    assert found["NoNewPrivs"] == "1"
    assert_has_filters(server, found)


def test_dnsmasq_can_be_reloaded(server: Host) -> None:
    """The signal goes from root to another user: that takes a capability."""
    can_reload = server.output("systemctl show --property=CanReload --value dnsmasq.service") == "yes"
    server.run("systemctl reload dnsmasq.service" if can_reload else "systemctl kill --signal=HUP dnsmasq.service")
    assert server.output(f"{DIG} consul.service.consul @{ADDRESS}") == server.address()


def test_apply_works_from_its_unit(server: Host) -> None:
    """It keeps owner and mode of /etc/environment, and restarts what runs on old settings."""
    server.run(
        "chown daemon:daemon /etc/environment && chmod 0640 /etc/environment && sed -i /CONSUL/d /etc/environment"
    )
    server.put("/etc/dnsmasq.d/story.conf", "address=/story.example/192.0.2.7\n")
    try:
        server.run(f"systemctl start {NAME}-late.service")
        assert f"CONSUL_HTTP_ADDR={ADDRESS}:8500" in server.file("/etc/environment").text
        assert (server.file("/etc/environment").owner, server.file("/etc/environment").mode) == (
            "daemon:daemon",
            "0640",
        )
        server.wait_until(f"{DIG} story.example @{ADDRESS} | grep -qFx 192.0.2.7", 15)
    finally:
        server.run("chown root:root /etc/environment; chmod 0644 /etc/environment; rm /etc/dnsmasq.d/story.conf")
        server.run([NAME, "apply"])


def test_resolv_conf_is_mended_from_its_unit(server: Host) -> None:
    server.run(
        "cp -p /etc/resolv.conf /var/tmp/before && grep -v consul-docker-host /var/tmp/before > /etc/resolv.conf"
    )
    server.wait_until("cmp /var/tmp/before /etc/resolv.conf", 15)
    assert server.failed_units() == ""


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
def test_nobody_runs_a_program_by_registering_a_check(server: Host, asker: str, check: dict[str, object]) -> None:
    service = json.dumps({"ID": "attack", "Name": "attack", "Address": "127.0.0.1", "Port": 80, "check": check})
    # The one is told that scripts are disabled, the other that there is no such field.
    assert code(server, asker, "PUT", "agent/service/register", service) == (500 if "args" in check else 400)
    time.sleep(scaled(2))
    assert not server.file(MARKER).exists
    assert "attack" not in server.output(f"{ASK} {API}/agent/services")


def test_a_harmless_service_may_be_registered(server: Host, asker: str) -> None:
    """So what was refused above was refused for its check."""
    assert code(server, asker, "PUT", "agent/service/register", json.dumps({"Name": "harmless"})) == 200
    assert code(server, asker, "PUT", "agent/service/deregister/harmless") == 200


def test_programs_over_the_api_are_switched_off(server: Host, asker: str) -> None:
    debug = json.loads(server.output(f"{asker} {ASK} {API}/agent/self"))["DebugConfig"]
    assert (debug["EnableRemoteScriptChecks"], debug["EnableLocalScriptChecks"]) == (False, False)
    assert debug["DisableRemoteExec"] is True


@pytest.fixture(scope="module")
def write_protected(server: Host, app: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the container's prefix on a host whose package was built with write_access = "host"."""
    plan = plan_of(copy_checkout(tmp_path_factory.mktemp("build") / "checkout"), '[consul]\nwrite_access = "host"\n')
    path = "/etc/consul.d/agent.json"
    before = server.file(path).text
    server.put(path, Path(plan.tree, path.lstrip("/")).read_text(encoding="utf-8"))
    server.run([NAME, "apply"])
    wait_for_restart(server)
    yield app
    server.put(path, before)
    server.run([NAME, "apply"])
    wait_for_restart(server)


def wait_for_restart(server: Host) -> None:
    server.wait_until("! systemctl list-jobs --no-legend | grep -q consul.service", 30)
    wait_for_consul(server)


def test_a_container_only_reads_where_the_host_alone_writes(server: Host, write_protected: str) -> None:
    assert code(server, write_protected, "GET", "status/leader") == 200
    for path in ("kv/story", "agent/service/register"):
        assert code(server, write_protected, "PUT", path, '{"Name": "story"}') == 403
    assert code(server, "", "PUT", "kv/story", "told") == 200
    assert server.output(f"{write_protected} {ASK} {API}/kv/story?raw") == "told"
    assert code(server, "", "DELETE", "kv/story") == 200


@pytest.fixture
def without_nft(server: Host) -> Iterator[None]:
    """Take the guard's program away, and then its table, as a broken package or kernel does."""
    server.run(
        "cp -p /usr/sbin/nft /var/tmp/nft && rm /usr/sbin/nft && /var/tmp/nft delete table ip consul_docker_host"
    )
    yield
    server.run("mv /var/tmp/nft /usr/sbin/nft")
    # Without any change around the address the watch would wait for its next minute.
    server.run(f"ip address del {ADDRESS}/32 dev dummy0")
    server.wait_until(f"nft list ruleset | grep -qF {ADDRESS}", 10, what="the guard is back without an order")
    server.run(f"systemctl restart {NAME}-guard")


@pytest.mark.usefixtures("without_nft")
def test_a_guard_that_cannot_be_loaded_is_told_and_stops_nothing(server: Host) -> None:
    server.run(f"systemctl restart {NAME}-guard", check=False)
    server.run("systemctl restart consul.service dnsmasq.service")
    wait_for_consul(server)
    assert server.service(f"{NAME}-guard").is_failed
    result = server.run([NAME, "check", "--json"], check=False)
    guard = next(link for link in json.loads(result.stdout)["links"] if link["name"] == "guard")
    assert (result.returncode, guard["state"]) == (2, "broken")
    assert f"{NAME}-guard" in guard["remedy"]
    server.run(f"ip address del {ADDRESS}/32 dev dummy0")
    server.wait_until(f"ip -4 -o address show dev dummy0 | grep -q ' {ADDRESS}/'", 10, what="the address is healed")


@pytest.mark.usefixtures("without_nft")
def test_apply_does_the_rest_without_the_guard(server: Host) -> None:
    server.run("systemctl unset-environment CONSUL_HTTP_ADDR")
    assert server.run([NAME, "apply"], check=False).returncode == 1
    assert f"CONSUL_HTTP_ADDR={ADDRESS}:8500" in server.output("systemctl show-environment")
