"""Rollouts: whether a cluster bears that its next server restarts, and where a deploy stops."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from consul_docker_host.fleet import rollout
from consul_docker_host.fleet.outcome import Outcome, State
from consul_docker_host.fleet.rollout import Rollout, View, quorum_of, view_of


def view(
    *,
    leader: str = "10.0.0.1:8300",
    peers: int = 3,
    voters: int = 3,
    healthy: bool | None = True,
    leads: bool = False,
) -> View:
    return View(leader=leader, is_leader=leads, peers=peers, voters=min(peers, voters), healthy=healthy)


class Asked:
    """A session that answers for a server's agent."""

    def __init__(self, answers: Mapping[str, object]) -> None:
        self.answers = answers

    def fact(self, _host: object, _kind: object, *, path: str) -> str:
        """Return what the agent says of a path."""
        return json.dumps(self.answers[path]) if path in self.answers else ""


def test_a_peer_that_has_no_vote_yet_is_not_counted() -> None:
    """Of three, one came back a moment ago: the loss of another would leave one vote of two."""
    answers = {
        "status/leader": "10.0.0.1:8300",
        "status/peers": ["10.0.0.1:8300", "10.0.0.2:8300", "10.0.0.3:8300"],
        "agent/self": {"Member": {"Addr": "10.0.0.1"}},
        "operator/autopilot/health": {"Healthy": True, "Servers": [{"Voter": True}, {"Voter": True}, {"Voter": False}]},
    }
    seen = view_of(Asked(answers), None)  # type: ignore[arg-type]
    assert (seen.peers, seen.voters, seen.healthy, seen.is_leader) == (3, 2, True, True)
    assert quorum_of([seen] * 3, 3) == "only 2 of 3 servers vote"
    del answers["operator/autopilot/health"]
    assert view_of(Asked(answers), None).voters == 3  # type: ignore[arg-type]


def test_three_that_agree_are_a_quorum_also_where_the_autopilot_may_not_be_asked() -> None:
    assert quorum_of([view(), view(), view()], 3) == ""
    assert quorum_of([view(healthy=None)] * 3, 3) == ""


@pytest.mark.parametrize(
    ("views", "why"),
    [
        ([view(), view()], "1 of 3 servers cannot be reached"),
        ([view(), view(leader=""), view()], "do not agree on a leader"),
        ([view(), view(healthy=False), view()], "autopilot"),
        ([view(peers=2)] * 3, "only 2 of 3 servers vote"),
        ([view(), view(voters=2), view()], "only 2 of 3 servers vote"),
    ],
)
def test_what_is_no_quorum_is_named(views: list[View], why: str) -> None:
    assert why in quorum_of(views, 3)


def rolled(
    monkeypatch: pytest.MonkeyPatch,
    hosts: Mapping[str, Any],
    states: Mapping[str, State],
    views: Mapping[str, View],
    *,
    fault: Callable[[], str] = str,
    prepare: Callable[[], str] = str,
    first: Mapping[str, View] | None = None,
    patience: float = 0.0,
) -> tuple[Rollout, list[list[str]]]:
    """Roll a fleet whose hosts end in the states given; return it with the waves that were run.

    The first question is answered by ``first``, where it is given, all others by ``views``.
    """
    waves: list[list[str]] = []

    def run_steps(names: Mapping[str, Any], *_: object, **__: object) -> tuple[Outcome, ...]:
        waves.append(list(names))
        return tuple(Outcome(host=name, state=states.get(name, State.OK)) for name in names)

    answers = [first] if first else []

    def ask(names: Mapping[str, Any], *_: object) -> tuple[dict[str, View], tuple[Outcome, ...]]:
        seen = answers.pop() if answers else views
        return {name: seen[name] for name in names if name in seen}, ()

    monkeypatch.setattr(rollout, "run_steps", run_steps)
    monkeypatch.setattr(rollout, "ask", ask)
    monkeypatch.setattr(rollout, "QUORUM_SECONDS", patience)
    silent: Callable[..., None] = lambda *_: None  # noqa: E731
    one = Rollout(
        hosts=hosts,
        steps=silent,
        sizes=("1", "10%"),
        dry=False,
        tell=silent,
        say=silent,
        prepare=prepare,
        fault=fault,
    )
    one.run()
    return one, waves


SERVERS = {name: {"cdh_role": "server"} for name in ("s1", "s2", "s3")}
CLIENTS: dict[str, dict[str, str]] = {f"c{number}": {} for number in range(20)}
LIVING = {"s1": view(leads=True), "s2": view(), "s3": view()}


def test_servers_go_one_by_one_with_the_leader_last_then_clients_in_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    _, waves = rolled(monkeypatch, SERVERS | CLIENTS, {}, LIVING)
    assert waves[:3] == [["s2"], ["s3"], ["s1"]]
    assert [len(wave) for wave in waves[3:]] == [1, 2, 17]


def test_a_deploy_that_may_not_begin_touches_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    one, waves = rolled(monkeypatch, SERVERS | CLIENTS, {}, LIVING, prepare=lambda: "the cluster said no")
    assert (waves, one.stopped) == ([], "stopped before the first host: the cluster said no; 23 hosts were not tried")


def test_servers_without_a_cluster_form_it_together(monkeypatch: pytest.MonkeyPatch) -> None:
    _, waves = rolled(monkeypatch, SERVERS, {}, dict.fromkeys(SERVERS, view(leader="", peers=0)))
    assert waves == [["s1", "s2", "s3"]]


def test_a_cluster_that_has_lost_its_leader_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """All its servers at once would be the end of it."""
    lost = {"s1": view(leader="", peers=3), "s2": view(leader="", peers=3)}
    one, waves = rolled(monkeypatch, SERVERS | CLIENTS, {}, lost)
    assert waves == []
    assert one.stopped.startswith("stopped before the servers: s1, s2: the cluster has lost its leader; ")


def test_a_server_outside_the_quorum_comes_first_though_the_autopilot_complains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deploy that stopped at it would never come to mend it otherwise."""
    ill = LIVING | {"s1": view(leads=True, healthy=False), "s3": view(leader="", peers=0)}
    one, waves = rolled(monkeypatch, SERVERS, {}, ill)
    assert waves == [["s3"]]
    assert one.stopped.startswith("stopped before server s2: the servers do not agree on a leader")


def test_a_deploy_that_lost_its_lock_begins_no_further_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = iter(["", "the lock was lost"])
    one, waves = rolled(monkeypatch, CLIENTS, {}, {}, fault=lambda: next(faults))
    assert waves == [["c0"]]
    assert one.stopped.startswith("stopped before wave 2, 2 of 20 clients: the lock was lost; 19 hosts")


def test_an_election_that_is_under_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = {name: view(leader="", peers=3) for name in SERVERS}
    _, waves = rolled(monkeypatch, SERVERS, {}, LIVING, first=lost, patience=5.0)
    assert waves == [["s2"], ["s3"], ["s1"]]


def test_no_server_is_touched_while_another_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    one, waves = rolled(monkeypatch, SERVERS | CLIENTS, {}, {"s1": view(leads=True), "s2": view()})
    assert waves == []
    assert one.stopped == "stopped before server s2: 1 of 3 servers cannot be reached; 23 hosts were not tried"


def test_an_ill_wave_ends_the_deploy_and_names_the_rest_as_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    one, waves = rolled(monkeypatch, CLIENTS, {"c1": State.UNHEALTHY}, {})
    assert waves == [["c0"], ["c1", "c2"]]
    assert one.stopped == "stopped at wave 2: c1 is unhealthy; 17 hosts were not tried"
    assert [host.state for host in one.outcomes()].count(State.WAITING) == 17


def test_a_first_host_that_is_away_gives_its_place_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    one, waves = rolled(monkeypatch, CLIENTS, {"c0": State.UNREACHABLE}, {})
    assert [len(wave) for wave in waves] == [1, 1, 2, 16]
    assert one.stopped == ""
