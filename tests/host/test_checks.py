"""The walk over the chain: each fault has its line, its state, its reason and its remedy; nothing else is blamed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from tests.host import faults_consul, faults_docker
from tests.host.conftest import REPOSITORY
from tests.host.faults import LOOPING
from tests.host.sound import ADDRESS, Sound, fake, units

SCHEMA = json.loads((REPOSITORY / "tests/host/check.schema.json").read_text())
FAULTS = faults_consul.FAULTS | faults_docker.FAULTS
CODES = {"ok": 0, "warn": 1, "broken": 2}


def check(sound: Sound, state: str) -> dict[str, Any]:
    """Return the report, of which the worst state is known; it fits the schema."""
    report: dict[str, Any] = json.loads(sound.run("check", "--json", code=CODES[state]).stdout)
    jsonschema.validate(report, SCHEMA)
    assert (report["state"], report["ok"]) == (state, state != "broken")
    return report


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_reason_and_its_remedy(sound: Sound, name: str) -> None:
    fault = FAULTS[name]
    fault.strike(sound)
    report = check(sound, fault.state)
    (line,) = [link for link in report["links"] if link["name"] == fault.link]
    assert line["state"] == fault.state
    assert fault.text in line["text"]
    assert fault.remedy in line["remedy"]
    others = {link["name"] for link in report["links"] if link["state"] != "ok"} - {fault.link}
    assert others == set(fault.also.split())


def test_nothing_is_wrong_with_a_sound_host(sound: Sound) -> None:
    report = check(sound, "ok")
    names = [link["name"] for link in report["links"]]
    assert names == SCHEMA["properties"]["links"]["items"]["properties"]["name"]["enum"]


def test_a_refused_bridge_is_named_with_the_line_that_lets_it_in(sound: Sound) -> None:
    bridge = "br-0123456789ab"
    sound.say("bridges", f"5: {bridge}: <BROADCAST,UP> mtu 1500\n")
    sound.say("ports", "2: eth0: <UP> mtu 1500 master br-0123456789ab\n")
    rules = sound.data / "guard"
    rules.write_text(rules.read_text().replace('iifname "docker0"', f'iifname "{bridge}" drop\niifname "docker0"'))
    (line,) = [link for link in check(sound, "warn")["links"] if link["name"] == "guard"]
    assert line["text"].startswith(f"{bridge} leads to the network")
    assert f"BRIDGES='{bridge}'" in line["remedy"]


def test_a_guard_that_was_switched_off_is_told(sound: Sound) -> None:
    defaults = sound.host.root / "usr/lib/consul-docker-host/defaults"
    defaults.write_text(defaults.read_text().replace("GUARD=yes", "GUARD=no"))
    (line,) = [link for link in check(sound, "warn")["links"] if link["state"] != "ok"]
    assert (line["name"], line["text"][:12]) == ("guard", "switched off")
    assert "guard.enabled = true" in line["remedy"]


def test_a_resolver_that_belongs_to_another_is_left_alone_and_told(sound: Sound) -> None:
    file = sound.host.root / "etc/resolv.conf"
    file.unlink()
    file.symlink_to("/opt/vpn/resolv.conf")
    sound.say("getent", "")
    (line,) = [link for link in check(sound, "warn")["links"] if link["state"] != "ok"]
    assert (line["name"], line["text"].endswith("left alone: a symlink to /opt/vpn/resolv.conf")) == ("resolver", True)
    assert line["remedy"] == f"let the owner of that file name {ADDRESS} as its server"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ps": "consul-docker-host-registrator\thost\t\n"}, "no container on a bridge to ask from"),
        ({"networks": "bridge true\n"}, "no container on a bridge to ask from"),
        ({}, "asked from inside: web"),
        ({"inspect": "/web 4711 []\n"}, f"asked from inside: web; started without --dns {ADDRESS}: web"),
    ],
)
def test_a_container_is_asked_where_one_can_be(sound: Sound, changes: dict[str, str], text: str) -> None:
    sound.host.write("proc/4711/root/etc/resolv.conf", "nameserver 192.0.2.1\n")
    for name, said in changes.items():
        sound.say(name, said)
    (line,) = [link for link in check(sound, "ok")["links"] if link["name"] == "container"]
    assert line["text"] == text


def test_docker_dns_leads_every_container_to_us(sound: Sound) -> None:
    sound.host.write("proc/4711/root/etc/resolv.conf", "nameserver 192.0.2.1\n")
    sound.say("inspect", "/web 4711 []\n")
    sound.host.write("etc/docker/daemon.json", f'{{"dns": ["{ADDRESS}"]}}\n')
    assert "without" not in check(sound, "ok")["links"][-1]["text"]


@pytest.mark.parametrize(
    "rule", [f"-A INPUT -d {ADDRESS}/32 -j ACCEPT", f"-A ufw-user-input -d {ADDRESS}/32 -j ACCEPT"]
)
def test_a_firewall_with_the_rule_that_was_asked_for_is_well(sound: Sound, rule: str) -> None:
    sound.say("iptables", f"-P INPUT DROP\n-N ufw-user-input\n{rule}\n")
    sound.say("networks", "")
    check(sound, "ok")


def test_a_stopped_docker_is_not_started_by_the_question(sound: Sound) -> None:
    """Its socket would start it, against its administrator's will."""
    sound.say("units", units(docker="loaded inactive dead"))
    check(sound, "warn")
    calls = sound.host.fakes / "docker.calls"
    assert not calls.exists() or calls.read_text() == ""


def test_another_unit_may_run_the_agent(sound: Sound) -> None:
    """Where the agent runs in a container there is no consul command, and its unit has another name."""
    defaults = sound.host.root / "usr/lib/consul-docker-host/defaults"
    defaults.write_text(defaults.read_text() + "CONSUL_UNIT=agent.service\n")
    (sound.host.fakes / "consul").unlink()
    check(sound, "ok")
    sound.say("units", units(consul="loaded failed failed").replace("consul.service", "agent.service"))
    for name, text in LOOPING[:2]:
        sound.say(name, text)
    line = next(link for link in check(sound, "broken")["links"] if link["name"] == "consul")
    assert "agent.service" in line["text"] + line["remedy"]


@pytest.mark.parametrize(
    ("change", "text", "remedy"),
    [
        ({"image": ""}, "its image is not here: ", " && systemctl restart agent.service"),
        ({"docker": "Cannot connect\n"}, "waits for Docker", 'mend "docker"'),
    ],
)
def test_an_agent_that_cannot_become_a_container_says_what_it_waits_for(
    sound: Sound, change: dict[str, str], text: str, remedy: str
) -> None:
    """Its unit is active all the while."""
    defaults = sound.host.root / "usr/lib/consul-docker-host/defaults"
    defaults.write_text(defaults.read_text() + "CONSUL_UNIT=agent.service\n")
    sound.say("units", units().replace("consul.service", "agent.service"))
    for name, said in {**dict(LOOPING[:2]), **change}.items():
        sound.say(name, said)
    (line,) = [link for link in check(sound, "broken")["links"] if link["name"] == "consul"]
    assert text in line["text"]
    assert line["remedy"].endswith(remedy)


def test_text_names_the_state_and_the_remedy(sound: Sound) -> None:
    sound.say("link", "")
    said = sound.run("check", code=2).stdout.splitlines()
    number = next(number for number, text in enumerate(said) if text.split()[1:2] == ["link"])
    assert said[number].split(maxsplit=2) == ["broken", "link", "dummy0 is missing"]
    assert said[number + 1].split(maxsplit=1) == ["->", "systemctl restart consul-docker-host-link"]


@pytest.mark.parametrize(("change", "code"), [({}, 0), ({"getent": ""}, 1), ({"link": ""}, 2)])
def test_the_text_file_for_prometheus_has_the_links_and_the_exit_code(
    sound: Sound, change: dict[str, str], code: int
) -> None:
    for name, said in change.items():
        sound.say(name, said)
    file = sound.host.root / "consul.prom"
    assert sound.run("check", "--prometheus", str(file), code=code).stdout == ""
    text = file.read_text()
    assert f"\nconsul_docker_host_state {code}\n" in text
    assert f'consul_docker_host_link{{link="link"}} {0 if code == 2 else 1}\n' in text
    assert all(
        re.fullmatch(r"# (HELP|TYPE) .*|[a-z_]+(\{link=\"[a-z]+\"\})? [0-9.]+", line) for line in text.splitlines()
    )


def no_folder(sound: Sound) -> list[str]:
    return ["--prometheus", str(sound.host.root / "none/consul.prom")]


@pytest.mark.parametrize(
    ("arguments", "lacks", "said"),
    [
        (lambda _: ["--yaml"], "", '"--yaml"'),
        (lambda _: ["--prometheus"], "", "needs a file"),
        (no_folder, "", "cannot be written"),
        (lambda _: [], "ip", "ip is not installed"),
        (lambda _: [], "tools/jq", "jq is not installed"),
    ],
)
def test_where_nothing_can_be_said_the_exit_code_is_3(
    sound: Sound, arguments: Callable[[Sound], list[str]], lacks: str, said: str
) -> None:
    if lacks:
        (sound.host.fakes / lacks).unlink()
    assert said in sound.run("check", *arguments(sound), code=3).stderr


def test_a_package_that_is_not_whole_is_no_broken_link(sound: Sound) -> None:
    (sound.host.root / "usr/lib/consul-docker-host/defaults").unlink()
    assert "not installed whole" in sound.run("check", code=3).stderr


def test_a_sound_host_costs_few_programs(sound: Sound) -> None:
    """Each costs a millisecond on a large machine and ten on a small one."""
    for name in ("jq", "awk", "sed", "grep", "tr", "od", "cut", "head", "tail", "sort", "timeout", "id", "cat"):
        if (tool := sound.host.fakes / "tools" / name).exists():
            target = tool.readlink()
            fake(sound.host, name, f'exec {target} "$@"')
    check(sound, "ok")
    calls = sum(record.read_text(errors="replace").count("\n") for record in sound.host.fakes.glob("*.calls"))
    assert calls < 150
