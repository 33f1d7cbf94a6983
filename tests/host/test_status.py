"""The status: who this host is and what it sees of the cluster; what does not answer is reported, and it never fails.

Each test runs in process and by the command, as those of the check do.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from host_program import status
from tests.host.healthy import ADDRESS, HealthyHost, in_process, units

MEMBERS = [
    {
        "Name": f"node-{number:02}",
        "Addr": f"10.0.0.{number}",
        "Status": 4 if number == 12 else 1,
        "Tags": {"role": "node"},
    }
    for number in range(1, 13)
]


Rows = Callable[[], dict[str, str]]


@pytest.fixture(params=["in process", "by the command"])
def rows(request: pytest.FixtureRequest, healthy: HealthyHost) -> Rows:
    """Give what returns the rows by their names; what stands below a row belongs to it."""
    if request.param == "in process":
        command = in_process(healthy, request.getfixturevalue("monkeypatch"), request.getfixturevalue("capsys"))

        def run() -> str:
            return command("status")

    else:
        connected: HealthyHost = request.getfixturevalue("connected")

        def run() -> str:
            return connected.run("status", code=0).stdout

    def rows() -> dict[str, str]:
        found: dict[str, str] = {}
        name = ""
        for line in run().splitlines():
            name, text = (name, line) if line.startswith(" ") else line.partition(" ")[::2]
            found[name] = f"{found.get(name, '')}\n{text.strip()}".strip()
        return found

    return rows


def test_it_shows_who_this_host_is_and_what_it_sees(healthy: HealthyHost, rows: Rows) -> None:
    shown = rows()
    assert shown["node"] == "host-a, server in dc1, advertises 10.0.0.5, Consul 1.22.7"
    assert shown["cluster"] == "leader 10.0.0.5:8300"
    assert shown["members"].splitlines()[:2] == ["2: 1 alive, 1 failed", "host-b  10.0.0.6  failed  client"]
    assert shown["services"] == "web:32768"
    assert shown["address"] == f"{ADDRESS} is on dummy0"
    assert shown["resolver"].endswith("our nameserver line was added")
    assert shown["docker-dns"] == "off"
    assert shown["units"].startswith("consul.service             active for ")


def test_the_cache_is_counted_by_dnsmasq_itself(healthy: HealthyHost, rows: Rows) -> None:
    """The numbers come one a question, each as the end of an answer."""
    healthy.set_answer("dns-53-own", "5000 90 10")
    assert rows()["dns"] == "90 % of 100 answers from the cache of 5000 names"


def test_ten_members_are_named_and_those_that_failed_come_first(healthy: HealthyHost, rows: Rows) -> None:
    healthy.set_answer("agent.members", json.dumps(MEMBERS))
    lines = rows()["members"].splitlines()
    assert lines[0] == "12: 11 alive, 1 failed"
    assert lines[1].split() == ["node-12", "10.0.0.12", "failed", "client"]
    assert (len(lines), lines[-1]) == (12, "and 2 more: consul members")


def test_what_does_not_answer_is_reported(healthy: HealthyHost, rows: Rows) -> None:
    for name in ("agent.self", "agent.members", "agent.services", "status.leader", "address", "units"):
        healthy.set_answer(name, "")
    for port in ("53", "8600"):
        for question in ("own", "name"):
            healthy.set_answer(f"dns-{port}-{question}", "")
    shown = rows()
    assert shown["cluster"] == f"Consul does not answer at http://{ADDRESS}:8500"
    assert shown["address"] == f"{ADDRESS} is not on dummy0"
    assert shown["dns"] == f"dnsmasq does not answer at {ADDRESS}"
    assert shown["units"] == "not available: systemd does not answer"


@pytest.mark.parametrize("state", ["loaded inactive dead", "not-found inactive dead", "masked inactive dead"])
def test_a_unit_that_does_not_run_is_shown(healthy: HealthyHost, rows: Rows, state: str) -> None:
    healthy.set_answer("units", units(docker=state))
    load, active, _ = state.split()
    line = next(line for line in rows()["units"].splitlines() if line.startswith("docker.service"))
    assert line.split() == ["docker.service", active if load == "loaded" else load]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h 0 min"), (86399, "23 h 59 min"), (90000, "1 d 1 h")],
)
def test_a_time_is_shown_in_its_largest_units(seconds: int, text: str) -> None:
    assert status.span(seconds) == text


def test_wrong_settings_are_counted(healthy: HealthyHost, rows: Rows) -> None:
    healthy.host.configure("NONSENSE\nHOST_IP=no\n")
    assert rows()["settings"].startswith("2 wrong in /etc/default/consul-docker-host")
