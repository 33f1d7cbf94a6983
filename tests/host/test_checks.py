"""The walk over the chain: each fault has its line, its state, its reason and its remedy; nothing else is blamed.

Each test runs twice: in process, where the answers of agent and DNS are taken from the host's folder of data without a
network, and by the command, which asks real servers.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from tests.host import faults_consul, faults_docker
from tests.host.conftest import REPOSITORY
from tests.host.faults import LOOPING
from tests.host.healthy import ADDRESS, RESOLV_CONF, HealthyHost, build, in_process, inspected, units

SCHEMA = json.loads((REPOSITORY / "tests/host/check.schema.json").read_text())
FAULTS = faults_consul.FAULTS | faults_docker.FAULTS
CODES = {"ok": 0, "warn": 1, "broken": 2}


Check = Callable[[str], dict[str, Any]]


@pytest.fixture(params=["in process", "by the command"])
def check(request: pytest.FixtureRequest, healthy: HealthyHost) -> Check:
    """Give what reports on the host, of which the worst state is known."""
    if request.param == "in process":
        command = in_process(healthy, request.getfixturevalue("monkeypatch"), request.getfixturevalue("capsys"))

        def run(code: int) -> str:
            return command("check", "--json", code=code)

    else:
        connected: HealthyHost = request.getfixturevalue("connected")

        def run(code: int) -> str:
            return connected.run("check", "--json", code=code).stdout

    def check(state: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(run(CODES[state]))
        jsonschema.validate(report, SCHEMA)
        assert (report["state"], report["ok"]) == (state, state != "broken")
        return report

    return check


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_reason_and_its_remedy(healthy: HealthyHost, check: Check, name: str) -> None:
    fault = FAULTS[name]
    fault.inject(healthy)
    report = check(fault.state)
    (line,) = [link for link in report["links"] if link["name"] == fault.link]
    assert line["state"] == fault.state
    assert fault.text in line["text"]
    assert fault.remedy in line["remedy"]
    others = {link["name"] for link in report["links"] if link["state"] != "ok"} - {fault.link}
    assert others == set(fault.also_not_ok.split())


def test_nothing_is_wrong_with_a_healthy_host(healthy: HealthyHost, check: Check) -> None:
    report = check("ok")
    names = [link["name"] for link in report["links"]]
    assert names == SCHEMA["properties"]["links"]["items"]["properties"]["name"]["enum"]


def test_a_refused_bridge_is_named_with_the_line_that_lets_it_in(healthy: HealthyHost, check: Check) -> None:
    bridge = "br-0123456789ab"
    healthy.set_answer("bridges", f"5: {bridge}: <BROADCAST,UP> mtu 1500\n")
    healthy.set_answer("ports", "2: eth0: <UP> mtu 1500 master br-0123456789ab\n")
    rules = healthy.data / "guard"
    rules.write_text(rules.read_text().replace('iifname "docker0"', f'iifname "{bridge}" drop\niifname "docker0"'))
    (line,) = [link for link in check("warn")["links"] if link["name"] == "guard"]
    assert line["text"].startswith(f"{bridge} is connected to the network")
    assert f"BRIDGES='{bridge}'" in line["remedy"]


def test_a_guard_that_was_switched_off_is_told(healthy: HealthyHost, check: Check) -> None:
    build(healthy.host, guard=False)
    (line,) = [link for link in check("warn")["links"] if link["state"] != "ok"]
    assert (line["name"], line["text"][:8]) == ("guard", "disabled")
    assert "guard.enabled = true" in line["remedy"]


def test_a_guard_that_does_not_answer_in_time_is_not_an_open_host(healthy: HealthyHost, check: Check) -> None:
    # The exit code of a program that took too long.
    healthy.host.put("usr/lib/consul-docker-host/guard", "#!/bin/sh\nexit 124\n", mode=0o755)
    (line,) = [link for link in check("warn")["links"] if link["state"] != "ok"]
    assert (line["name"], line["text"]) == ("guard", "nft did not answer in time, so the rules are unknown")


def test_a_resolver_that_belongs_to_another_is_left_alone_and_told(healthy: HealthyHost, check: Check) -> None:
    file = healthy.host.root / "etc/resolv.conf"
    file.unlink()
    file.symlink_to("/opt/vpn/resolv.conf")
    healthy.set_answer("getent", "")
    (line,) = [link for link in check("warn")["links"] if link["state"] != "ok"]
    assert (line["name"], line["text"].endswith("the file at /opt/vpn/resolv.conf is not changed")) == (
        "resolver",
        True,
    )
    assert line["remedy"] == f"configure the program that writes that file to use {ADDRESS} as name server"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ps": "consul-docker-host-registrator\thost\t\n"}, "there is no container on a bridge network to test from"),
        ({"networks": "bridge true\n"}, "there is no container on a bridge network to test from"),
        ({}, "tested from inside: web"),
        ({"inspect": inspected()}, f"tested from inside: web; started without --dns {ADDRESS}: web"),
    ],
)
def test_a_container_is_asked_where_one_can_be(
    healthy: HealthyHost, check: Check, changes: dict[str, str], text: str
) -> None:
    healthy.host.write(RESOLV_CONF[1:], "nameserver 192.0.2.1\n")
    for name, said in changes.items():
        healthy.set_answer(name, said)
    (line,) = [link for link in check("ok")["links"] if link["name"] == "container"]
    assert line["text"] == text


@pytest.mark.parametrize(
    "changes",
    [
        {"no-networks": "Cannot connect to the Docker daemon"},
        {"inspect": "", "no-inspect": "error during connect"},
        # Docker's client prints this if it cannot reach the engine.
        {"inspect": "[]\n", "no-inspect": "Cannot connect to the Docker daemon"},
        {"inspect": "half a li"},
    ],
)
def test_a_docker_that_stops_answering_is_not_a_host_without_containers(
    healthy: HealthyHost, check: Check, changes: dict[str, str]
) -> None:
    for name, text in changes.items():
        healthy.set_answer(name, text)
    (line,) = [link for link in check("warn")["links"] if link["name"] == "container"]
    assert line == {
        "name": "container",
        "state": "warn",
        "text": "Docker stopped answering, so no container was tested",
        "remedy": "run the check again; if it still fails: journalctl -u docker",
    }


def test_a_container_that_is_removed_during_the_check_is_skipped(healthy: HealthyHost, check: Check) -> None:
    healthy.set_answer("inspect", "[]\n")
    healthy.set_answer("no-inspect", "Error response from daemon: No such container: web")
    (line,) = [link for link in check("ok")["links"] if link["name"] == "container"]
    assert line["text"] == "there is no container on a bridge network to test from"


def test_a_container_of_each_bridge_is_asked(healthy: HealthyHost, check: Check) -> None:
    """A bridge that is shut out says nothing about another."""
    healthy.set_answer(
        "ps", "web\tbridge\t\nsame\tbridge\t\nother\tshop,bridge\t\nconsul-docker-host-registrator\thost\t\n"
    )
    healthy.set_answer("networks", "bridge false\nshop false\n")
    (found,) = json.loads(inspected(ADDRESS))
    healthy.set_answer("inspect", json.dumps([found, found | {"Name": "/other"}]))
    assert check("ok")["links"][-1]["text"] == "tested from inside: web other"
    calls = (healthy.host.fakes / "docker.calls").read_text().splitlines()
    assert "container inspect web other" in calls


def test_docker_dns_leads_every_container_to_us(healthy: HealthyHost, check: Check) -> None:
    healthy.host.write(RESOLV_CONF[1:], "nameserver 192.0.2.1\n")
    healthy.set_answer("inspect", inspected())
    healthy.host.write("etc/docker/daemon.json", f'{{"dns": ["{ADDRESS}"]}}\n')
    assert "without" not in check("ok")["links"][-1]["text"]


@pytest.mark.parametrize(
    "rule", [f"-A INPUT -d {ADDRESS}/32 -j ACCEPT", f"-A ufw-user-input -d {ADDRESS}/32 -j ACCEPT"]
)
def test_a_firewall_with_the_rule_that_was_asked_for_is_well(healthy: HealthyHost, check: Check, rule: str) -> None:
    healthy.set_answer("iptables", f"-P INPUT DROP\n-N ufw-user-input\n{rule}\n")
    healthy.set_answer("networks", "")
    check("ok")


def test_a_stopped_docker_is_not_started_by_the_question(healthy: HealthyHost, check: Check) -> None:
    """Its socket would start it, against its administrator's will."""
    healthy.set_answer("units", units(docker="loaded inactive dead"))
    check("warn")
    calls = healthy.host.fakes / "docker.calls"
    assert not calls.exists() or calls.read_text() == ""


def test_another_unit_may_run_the_agent(healthy: HealthyHost, check: Check) -> None:
    """Where the agent runs in a container there is no consul command, and its unit has another name."""
    build(healthy.host, consul_unit="agent.service")
    (healthy.host.fakes / "consul").unlink()
    check("ok")
    healthy.set_answer("units", units(consul="loaded failed failed").replace("consul.service", "agent.service"))
    for name, text in LOOPING[:2]:
        healthy.set_answer(name, text)
    line = next(link for link in check("broken")["links"] if link["name"] == "consul")
    assert "agent.service" in line["text"] + line["remedy"]


@pytest.mark.parametrize(
    ("change", "text", "remedy"),
    [
        ({"image": ""}, "its image is not on this host: ", " && systemctl restart agent.service"),
        ({"docker": "Cannot connect\n"}, "waits for Docker", 'fix "docker" first'),
    ],
)
def test_an_agent_that_cannot_become_a_container_says_what_it_waits_for(
    healthy: HealthyHost, check: Check, change: dict[str, str], text: str, remedy: str
) -> None:
    """Its unit is active all the while."""
    build(healthy.host, consul_unit="agent.service")
    healthy.set_answer("units", units().replace("consul.service", "agent.service"))
    for name, said in {**dict(LOOPING[:2]), **change}.items():
        healthy.set_answer(name, said)
    (line,) = [link for link in check("broken")["links"] if link["name"] == "consul"]
    assert text in line["text"]
    assert line["remedy"].endswith(remedy)


@pytest.mark.parametrize("path", ["etc/consul.d/x.hcl", "run/consul-docker-host/consul.d/x.json"])
def test_consul_judges_its_files_again_only_when_one_is_younger_than_its_start(
    healthy: HealthyHost, check: Check, path: str
) -> None:
    """It takes Consul longer than all the rest takes together."""
    calls = healthy.host.fakes / "consul.calls"
    healthy.host.write(path, "{}").with_name("gone.hcl").write_text("{}")
    healthy.host.write("run/consul-docker-host/consul.started", "")
    check("ok")
    assert not calls.exists()
    # A removal changes the directory alone. The kernel's clock has ticks.
    time.sleep(0.02)
    (healthy.host.root / path).with_name("gone.hcl").unlink()
    check("ok")
    assert calls.read_text().startswith("validate ")


def test_a_user_who_may_not_ask_docker_is_referred_to_root(healthy: HealthyHost, check: Check) -> None:
    healthy.set_answer("docker", "permission denied while trying to connect to the Docker daemon socket\n")
    (line,) = [link for link in check("warn")["links"] if link["state"] != "ok"]
    assert (line["name"], line["text"]) == ("docker", "only root can check this")


def test_a_port_that_systemd_holds_for_a_socket_unit_is_not_freed_by_killing_it(
    healthy: HealthyHost, check: Check
) -> None:
    healthy.set_answer("listen", f'udp UNCONN 0 0 {ADDRESS}:53 0.0.0.0:* users:(("systemd",pid=1,fd=4))\n')
    healthy.set_answer("owner", "init.scope\n")
    (line,) = [link for link in check("broken")["links"] if link["name"] == "dnsmasq"]
    assert (line["text"], "kill" in line["remedy"]) == (f"{ADDRESS}:53 is held by systemd (process 1)", False)


def test_text_names_the_state_and_the_remedy(connected: HealthyHost) -> None:
    connected.set_answer("link", "")
    said = connected.run("check", code=2).stdout.splitlines()
    number = next(number for number, text in enumerate(said) if text.split()[1:2] == ["link"])
    assert said[number].split(maxsplit=2) == ["broken", "link", "dummy0 is missing"]
    assert said[number + 1].split(maxsplit=1) == ["->", "systemctl restart consul-docker-host-link"]


@pytest.mark.parametrize(("change", "code"), [({}, 0), ({"getent": ""}, 1), ({"link": ""}, 2)])
def test_the_text_file_for_prometheus_has_the_links_and_the_exit_code(
    connected: HealthyHost, change: dict[str, str], code: int
) -> None:
    for name, said in change.items():
        connected.set_answer(name, said)
    file = connected.host.root / "consul.prom"
    assert connected.run("check", "--prometheus", str(file), code=code).stdout == ""
    text = file.read_text()
    assert f"\nconsul_docker_host_state {code}\n" in text
    assert f'consul_docker_host_link{{link="link"}} {0 if code == 2 else 1}\n' in text
    assert all(
        re.fullmatch(r"# (HELP|TYPE) .*|[a-z_]+(\{link=\"[a-z]+\"\})? [0-9.]+", line) for line in text.splitlines()
    )


def no_folder(healthy: HealthyHost) -> list[str]:
    return ["--prometheus", str(healthy.host.root / "none/consul.prom")]


@pytest.mark.parametrize(
    ("arguments", "lacks", "said"),
    [
        (lambda _: ["--yaml"], "", '"--yaml"'),
        (lambda _: ["--prometheus"], "", "needs a file"),
        (no_folder, "", "cannot be written"),
        (lambda _: [], "ip", "ip is not installed"),
    ],
)
def test_where_nothing_can_be_said_the_exit_code_is_3(
    connected: HealthyHost, arguments: Callable[[HealthyHost], list[str]], lacks: str, said: str
) -> None:
    if lacks:
        (connected.host.fakes / lacks).unlink()
    assert said in connected.run("check", *arguments(connected), code=3).stderr


def test_a_package_that_is_incomplete_is_no_broken_link(connected: HealthyHost) -> None:
    (connected.host.root / "usr/lib/consul-docker-host/defaults.json").unlink()
    assert "installation is incomplete" in connected.run("check", code=3).stderr


def test_a_healthy_host_costs_few_programs(healthy: HealthyHost, check: Check) -> None:
    """Each costs a millisecond on a large machine and ten on a small one."""
    for name in ("jq", "awk", "sed", "grep", "tr", "od", "cut", "head", "tail", "sort", "timeout", "id", "cat"):
        if (tool := healthy.host.fakes / "tools" / name).exists():
            target = tool.readlink()
            healthy.host.replace(name, f'exec {target} "$@"')
    check("ok")
    calls = sum(record.read_text(errors="replace").count("\n") for record in healthy.host.fakes.glob("*.calls"))
    assert calls < 80
