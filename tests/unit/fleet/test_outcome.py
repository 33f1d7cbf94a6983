"""The report: a table with what to do for each host, and JSON that says the same."""

from __future__ import annotations

import json

import pytest

from consul_docker_host.fleet.outcome import Outcome, State, as_json, summary

GOOD = Outcome(host="a", state=State.OK, before="0.0.9", after="0.1.0", changed=("Install",), seconds=1.25)
FULL = Outcome(host="b", state=State.FAILED, step="Install", reason="E: No space left on device")


def test_the_table_has_versions_changes_and_a_remedy() -> None:
    lines = summary([GOOD, FULL])
    assert lines[1].split() == ["a", "0.0.9", "->", "0.1.0", "1", "yes", "1.2", "ok"]
    assert lines[3:] == (
        'b: failed at "Install": E: No space left on device',
        "  free some space on the host, then rerun the deploy",
    )


@pytest.mark.parametrize(
    ("state", "reason", "remedy"),
    [
        (State.UNREACHABLE, "Authentication error (password=*)", "set ssh_user"),
        (State.UNREACHABLE, "Could not connect ([Errno 113])", "check that the host is up"),
        (State.FAILED, "connection lost: the host no longer answers", "the connection was lost"),
        (State.FAILED, "anything else", "it resumes where it stopped"),
        (State.UNHEALTHY, "dns: no answer -> restart", "ssh b consul-docker-host check"),
    ],
)
def test_each_fault_has_a_remedy(state: State, reason: str, remedy: str) -> None:
    assert remedy in Outcome(host="b", state=state, reason=reason).remedy


def test_json_is_ok_only_when_every_host_is_and_nothing_stopped() -> None:
    assert json.loads(as_json([GOOD], ""))["ok"] is True
    assert json.loads(as_json([GOOD], "stopped at wave 1"))["ok"] is False
    report = json.loads(as_json([GOOD, FULL], ""))
    assert report["ok"] is False
    assert report["hosts"][1]["remedy"].startswith("free some space")
