"""The status: who this host is and what it sees of the cluster; what is missing is said, and it never fails."""

from __future__ import annotations

import json

import pytest

from tests.host.sound import ADDRESS, Sound, units

MEMBERS = [
    {
        "Name": f"node-{number:02}",
        "Addr": f"10.0.0.{number}",
        "Status": 4 if number == 12 else 1,
        "Tags": {"role": "node"},
    }
    for number in range(1, 13)
]


def rows(sound: Sound) -> dict[str, str]:
    """Return the rows by their names; what stands below a row belongs to it."""
    found: dict[str, str] = {}
    name = ""
    for line in sound.run("status", code=0).stdout.splitlines():
        name, text = (name, line) if line.startswith(" ") else line.partition(" ")[::2]
        found[name] = f"{found.get(name, '')}\n{text.strip()}".strip()
    return found


def test_it_tells_who_this_host_is_and_what_it_sees(sound: Sound) -> None:
    told = rows(sound)
    assert told["node"] == "host-a, server in dc1, advertises 10.0.0.5, Consul 1.22.7"
    assert told["cluster"] == "leader 10.0.0.5:8300"
    assert told["members"].splitlines()[:2] == ["2: 1 alive, 1 failed", "host-b  10.0.0.6  failed  client"]
    assert told["services"] == "web:32768"
    assert told["address"] == f"{ADDRESS} is on dummy0"
    assert told["resolver"].endswith("marked line")
    assert told["docker-dns"] == "off"
    assert told["units"].startswith("consul.service             active for ")


def test_the_cache_is_told_by_dnsmasq_itself(sound: Sound) -> None:
    """The numbers come one a question, each as the end of an answer."""
    own = r"""case $6 in *hits*) n=90 ;; *misses*) n=10 ;; *) n=5000 ;; esac
        printf '\022\064\201\200\000\001\000\001\000\000\000\000%s' "${#n}" | tr '0-9' '\000-\011'; printf %s "$n" """
    for question in ("own", "name"):
        sound.say(f"dns-53-{question}", own)
    assert rows(sound)["dns"] == "90 % of 100 answers from the cache of 5000 names"


def test_ten_members_are_named_and_those_that_failed_come_first(sound: Sound) -> None:
    sound.say("agent.members", json.dumps(MEMBERS))
    lines = rows(sound)["members"].splitlines()
    assert lines[0] == "12: 11 alive, 1 failed"
    assert lines[1].split() == ["node-12", "10.0.0.12", "failed", "client"]
    assert (len(lines), lines[-1]) == (12, "and 2 more: consul members")


def test_what_is_missing_is_said(sound: Sound) -> None:
    for name in ("agent.self", "agent.members", "agent.services", "status.leader", "address", "units"):
        sound.say(name, "")
    for port in ("53", "8600"):
        for question in ("own", "name"):
            sound.say(f"dns-{port}-{question}", "exit 1")
    told = rows(sound)
    assert told["cluster"] == f"Consul does not answer at http://{ADDRESS}:8500"
    assert told["address"] == f"{ADDRESS} is not on dummy0"
    assert told["dns"] == f"dnsmasq does not answer at {ADDRESS}"
    assert told["units"] == "not told: systemd does not answer"


@pytest.mark.parametrize("state", ["loaded inactive dead", "not-found inactive dead", "masked inactive dead"])
def test_a_unit_that_does_not_run_is_told(sound: Sound, state: str) -> None:
    sound.say("units", units(docker=state))
    load, active, _ = state.split()
    line = next(line for line in rows(sound)["units"].splitlines() if line.startswith("docker.service"))
    assert line.split() == ["docker.service", active if load == "loaded" else load]


def test_wrong_settings_are_counted(sound: Sound) -> None:
    sound.host.configure("NONSENSE\nHOST_IP=no\n")
    assert rows(sound)["settings"].startswith("2 wrong in /etc/default/consul-docker-host")
