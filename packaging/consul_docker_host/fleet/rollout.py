"""Deploy to a fleet: first the servers one at a time, then the clients in waves, until a wave is not sound.

A stopped deploy leaves no state: hosts that are up to date have nothing to change, so the next run resumes there.
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
    """Stops the deploy before the next wave; the text is the reason."""


@dataclass(kw_only=True)
class Rollout:
    """One deploy: its hosts, its steps, and the results so far."""

    hosts: Hosts
    steps: Callable[[], object]
    sizes: tuple[str, ...]
    dry: bool
    tell: Tell
    say: Callable[[str], None]
    is_removal: bool = False
    prepare: Callable[[], str] = str  # runs before the first wave; returns why the deploy must stop, or nothing
    fault: Callable[[], str] = str  # runs before each wave; returns why the deploy must stop, or nothing
    done: dict[str, Outcome] = field(default_factory=dict)
    stopped: str = ""

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return the results of all hosts in the inventory's order, also of those that were not tried."""
        return tuple(self.done.get(name) or Outcome(host=name, state=State.WAITING) for name in self.hosts)

    def run(self) -> None:
        """Deploy to all hosts, or stop with a reason."""
        if reason := self.prepare():
            self.stop(f"stopped before the first host: {reason}")
            return
        try:
            self.roll()
        except HaltError as halt:
            self.stop(str(halt))

    def roll(self) -> None:
        """Deploy to servers and clients in their order."""
        if self.dry:
            self.wave(list(self.hosts), "all hosts")
        elif self.is_removal:
            # Clients are removed first, so that the remaining ones always find their servers.
            self.roll_clients()
            servers = names_of(self.hosts, "server")
            if servers and not self.stopped:
                self.wave(servers, "servers")
        elif self.roll_servers():
            self.roll_clients()

    def wave(self, names: Sequence[str], title: str) -> list[Outcome]:
        """Deploy to these hosts in parallel."""
        if reason := self.fault():
            raise HaltError(f"stopped before {title}: {reason}")
        self.say(f"== {title}: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}")
        outcomes = run_steps({name: self.hosts[name] for name in names}, self.steps, dry=self.dry, tell=self.tell)
        self.done |= {outcome.host: outcome for outcome in outcomes}
        return list(outcomes)

    def stop(self, reason: str) -> bool:
        """Record why the deploy stops; no more hosts are changed."""
        left = sum(name not in self.done for name in self.hosts)
        self.stopped = f"{reason}; {f'{left} hosts were' if left != 1 else '1 host was'} not tried"
        return False

    def roll_servers(self) -> bool:
        """Deploy to the servers and return whether clients may follow.

        In a running cluster servers follow one at a time, the leader last, each once the quorum is healthy; those
        outside the quorum come first. Without a cluster all form it together, because one could not elect a leader.
        """
        servers = names_of(self.hosts, "server")
        if not servers:
            return True
        chosen = {name: self.hosts[name] for name in servers}
        views = self.settled_views(chosen)
        leader = next((name for name, view in views.items() if view.is_leader), "")
        if leaderless := leaderless_servers(views):
            names = ", ".join(leaderless)
            reason = f"{names}: the cluster has lost its leader; bring back enough servers for it to elect one"
            return self.stop(f"stopped before the servers: {reason}")
        if not any(view.leader for view in views.values()):
            outcomes = self.wave(servers, "servers, to form a cluster")
            return all(outcome.is_good for outcome in outcomes) or self.stop("stopped at the servers")
        members = {name: self.hosts[name] for name, view in views.items() if view.leader}
        members |= {name: self.hosts[name] for name in servers if name not in views}
        # A server that answers but sees no leader has no vote to lose: it is new, or the last deploy stopped at it.
        outside = [name for name in servers if name not in members]
        for name in (*outside, *servers_in_order([name for name in servers if name in members], leader)):
            if name in members and (reason := self.quorum_fault(members)):
                return self.stop(f"stopped before server {name}: {reason}")
            if not all(outcome.is_good for outcome in self.wave([name], f"server {name}")):
                return self.stop(f"stopped at server {name}")
            members[name] = self.hosts[name]
        reason = self.quorum_fault(members)
        return self.stop(f"stopped after the servers: {reason}") if reason else True

    def settled_views(self, servers: Hosts) -> dict[str, View]:
        """Return the servers' views of the cluster, after waiting for a running election."""
        deadline = time.monotonic() + QUORUM_SECONDS
        while True:
            views, _ = ask(servers, view_of, self.tell)
            if not leaderless_servers(views) or time.monotonic() > deadline:
                return views
            time.sleep(1)

    def quorum_fault(self, servers: Hosts) -> str:
        """Wait until these servers are a healthy quorum; return why they are not, empty if they are."""
        deadline = time.monotonic() + QUORUM_SECONDS
        while True:
            views, _ = ask(servers, view_of, lambda _host, _step: None)
            reason = quorum_of(list(views.values()), len(servers))
            if not reason or time.monotonic() > deadline:
                return reason
            time.sleep(1)

    def roll_clients(self) -> None:
        """Deploy to the clients in waves, and stop after the first wave that is not sound."""
        left = list(names_of(self.hosts, "client"))
        count, number = len(left), 0
        while left:
            size = wave_size(self.sizes, number, count)
            names, left = left[:size], left[size:]
            outcomes = self.wave(names, f"wave {number + 1}, {len(names)} of {count} clients")
            if not is_sound(outcomes):
                self.stop(f"stopped at wave {number + 1}: {bad_names(outcomes)}")
                return
            # A first host that could not be reached proves nothing, so the next wave is as small as this one.
            number += has_shown(outcomes)


def bad_names(outcomes: Sequence[Outcome]) -> str:
    """Return the hosts that failed, with their states."""
    return ", ".join(f"{outcome.host} is {outcome.state.value}" for outcome in outcomes if not outcome.is_good)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One server's view of its cluster; ``healthy`` is None if its token may not read the autopilot's state.

    A server that has just returned is a peer at once, but votes only after it has been healthy for a while (10 s).
    ``voters`` counts those with a vote in the autopilot's list; without access to the list it is the number of peers.
    """

    leader: str
    is_leader: bool
    peers: int
    voters: int
    healthy: bool | None


def leaderless_servers(views: Mapping[str, View]) -> list[str]:
    """Return the servers of a cluster that has lost its leader.

    A server has no peers before its first election, and has peers afterwards even without a leader.
    """
    if any(view.leader for view in views.values()):
        return []
    return [name for name, view in views.items() if view.peers]


def view_of(opened: Session, host: Any) -> View:
    """Return a server's view, as its own agent reports it."""

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
        voters=len(peers or ()) if listed is None else sum(1 for server in listed if server.get("Voter")),
        healthy=bool(pilot.get("Healthy")) if isinstance(pilot, dict) else None,
    )


def quorum_of(views: Sequence[View], servers: int) -> str:
    """Return why the cluster could not survive the restart of one server; empty if it could.

    Every server of the inventory must be present: of three, one may restart while the other two vote.
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
