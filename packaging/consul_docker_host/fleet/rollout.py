"""The way of a deploy through a fleet: servers one at a time, then clients in waves, until a wave is not sound.

No file remembers where it stopped: a host that is right already has nothing to change, so the next run goes on there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consul_docker_host.fleet.outcome import Outcome, State
from consul_docker_host.fleet.session import Session, Tell, ask, names_of, run_steps
from consul_docker_host.fleet.waves import has_shown, is_sound, servers_in_order, wave_size
from pyinfra_deploy.facts import Api

QUORUM_SECONDS = 90.0
Hosts = Mapping[str, Mapping[str, Any]]


class HaltError(Exception):
    """No further wave may begin; the text says why."""


@dataclass(kw_only=True)
class Rollout:
    """One deploy: what it runs on whom, and what came of it so far."""

    hosts: Hosts
    steps: Callable[[], object]
    sizes: tuple[str, ...]
    dry: bool
    tell: Tell
    say: Callable[[str], None]
    is_removal: bool = False
    prepare: Callable[[], str] = str  # done before the first wave: why there may be none, empty when there may
    fault: Callable[[], str] = str  # asked before each wave: why none may begin any more, empty when it may
    done: dict[str, Outcome] = field(default_factory=dict)
    stopped: str = ""

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return all hosts in the inventory's order, also those that nobody came to."""
        return tuple(self.done.get(name) or Outcome(host=name, state=State.WAITING) for name in self.hosts)

    def run(self) -> None:
        """Take the whole fleet."""
        if why := self.prepare():
            self.stop(f"stopped before the first host: {why}")
            return
        try:
            self.roll()
        except HaltError as why:
            self.stop(str(why))

    def roll(self) -> None:
        """Take servers and clients in their order."""
        if self.dry:
            self.wave(list(self.hosts), "all hosts")
        elif self.is_removal:
            # Clients first: while one of them is left, it finds its servers.
            self.roll_clients()
            servers = names_of(self.hosts, "server")
            if servers and not self.stopped:
                self.wave(servers, "servers")
        elif self.roll_servers():
            self.roll_clients()

    def wave(self, names: Sequence[str], title: str) -> list[Outcome]:
        """Deploy these hosts side by side."""
        if why := self.fault():
            raise HaltError(f"stopped before {title}: {why}")
        self.say(f"== {title}: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}")
        outcomes = run_steps({name: self.hosts[name] for name in names}, self.steps, dry=self.dry, tell=self.tell)
        self.done |= {one.host: one for one in outcomes}
        return list(outcomes)

    def stop(self, why: str) -> bool:
        """Note where and why the deploy stops; no more hosts are touched."""
        left = sum(name not in self.done for name in self.hosts)
        self.stopped = f"{why}; {left} hosts were not tried"
        return False

    def roll_servers(self) -> bool:
        """Deploy the servers and tell whether clients may follow.

        Where a cluster lives it is one at a time, the leader last, each after a healthy quorum; those outside the
        quorum come first. Where none lives, they form it together: one alone would never come to elect a leader.
        """
        servers = names_of(self.hosts, "server")
        if not servers:
            return True
        chosen = {name: self.hosts[name] for name in servers}
        views = self.settled_views(chosen)
        leader = next((name for name, view in views.items() if view.is_leader), "")
        if torn := torn_of(views):
            why = f"{', '.join(torn)}: the cluster has lost its leader; bring back enough servers for it to elect one"
            return self.stop(f"stopped before the servers: {why}")
        if not any(view.leader for view in views.values()):
            outcomes = self.wave(servers, "servers, to form a cluster")
            return all(one.is_good for one in outcomes) or self.stop("stopped at the servers")
        members = {name: self.hosts[name] for name, view in views.items() if view.leader}
        members |= {name: self.hosts[name] for name in servers if name not in views}
        # One that answers and sees no leader has no vote to lose: it joins only now, or the last deploy stopped at it.
        outside = [name for name in servers if name not in members]
        for name in (*outside, *servers_in_order([name for name in servers if name in members], leader)):
            if name in members and (why := self.quorum_fault(members)):
                return self.stop(f"stopped before server {name}: {why}")
            if not all(one.is_good for one in self.wave([name], f"server {name}")):
                return self.stop(f"stopped at server {name}")
            members[name] = self.hosts[name]
        why = self.quorum_fault(members)
        return self.stop(f"stopped after the servers: {why}") if why else True

    def settled_views(self, servers: Hosts) -> dict[str, View]:
        """Return what the servers see; an election that is under way is waited for."""
        deadline = time.monotonic() + QUORUM_SECONDS
        while True:
            views, _ = ask(servers, view_of, self.tell)
            if not torn_of(views) or time.monotonic() > deadline:
                return views
            time.sleep(1)

    def quorum_fault(self, servers: Hosts) -> str:
        """Wait until these servers are a healthy quorum; return why they are none, empty when they are."""
        deadline = time.monotonic() + QUORUM_SECONDS
        while True:
            views, _ = ask(servers, view_of, lambda _host, _step: None)
            why = quorum_of(list(views.values()), len(servers))
            if not why or time.monotonic() > deadline:
                return why
            time.sleep(1)

    def roll_clients(self) -> None:
        """Deploy the clients in waves, and stop after the first that is not sound."""
        left = list(names_of(self.hosts, "client"))
        count, number = len(left), 0
        while left:
            size = wave_size(self.sizes, number, count)
            names, left = left[:size], left[size:]
            outcomes = self.wave(names, f"wave {number + 1}, {len(names)} of {count} clients")
            if not is_sound(outcomes):
                self.stop(f"stopped at wave {number + 1}: {bad_names(outcomes)}")
                return
            # A first host that could not be reached has shown nothing: another one goes ahead of the others.
            number += has_shown(outcomes)


def bad_names(outcomes: Sequence[Outcome]) -> str:
    """Return who was to blame."""
    return ", ".join(f"{one.host} is {one.state.value}" for one in outcomes if not one.is_good)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one server sees of its cluster; ``healthy`` is None where its token may not ask the autopilot.

    A server that has just come back is a peer at once and gets its vote when it has been well for a while (10 s): the
    autopilot's list tells, and where that may not be asked all ``peers`` pass for ``voters``.
    """

    leader: str
    is_leader: bool
    peers: int
    voters: int
    healthy: bool | None


def torn_of(views: Mapping[str, View]) -> list[str]:
    """Return the servers of a cluster that has no leader.

    Before its first election a server names no peers; later it does, though nobody leads.
    """
    if any(view.leader for view in views.values()):
        return []
    return [name for name, view in views.items() if view.peers]


def view_of(opened: Session, host: Any) -> View:
    """Ask a server through its own agent."""

    def answer(path: str) -> Any:
        try:
            return json.loads(opened.fact(host, Api, path=path))
        except ValueError:
            return None

    leader, peers, own, pilot = (
        answer(path) for path in ("status/leader", "status/peers", "agent/self", "operator/autopilot/health")
    )
    address = str(((own or {}).get("Member") or {}).get("Addr", "?"))
    listed = pilot.get("Servers") if isinstance(pilot, dict) else None
    return View(
        leader=leader or "",
        is_leader=bool(leader) and str(leader).rpartition(":")[0] == address,
        peers=len(peers or ()),
        voters=len(peers or ()) if listed is None else sum(1 for one in listed if one.get("Voter")),
        healthy=bool(pilot.get("Healthy")) if isinstance(pilot, dict) else None,
    )


def quorum_of(views: Sequence[View], servers: int) -> str:
    """Return why the cluster would not bear the loss of its next server for a moment; empty when it would.

    Every server of the inventory has to be there: of three, one may restart while the other two vote.
    """
    if len(views) < servers:
        return f"{servers - len(views)} of {servers} servers cannot be reached"
    if len({view.leader for view in views}) != 1 or not views[0].leader:
        return "the servers do not agree on a leader"
    if any(view.healthy is False for view in views):
        return "the autopilot reports the servers as unhealthy"
    if (voters := min(view.voters for view in views)) < servers:
        return f"only {voters} of {servers} servers vote"
    return ""
