"""What became of each host, as a person and as a program read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from consul_docker_host.core.report import table


class State(StrEnum):
    """How a host ended."""

    OK = "ok"
    PLANNED = "planned"  # with --dry
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    UNHEALTHY = "unhealthy"
    WAITING = "not tried"


KEY_REMEDY = "cdh_repository_key is to be the key of the archive at cdh_repository_url"
# What a line of a failed command says -> what to do; the first that fits.
REMEDIES = (
    ("no root access", 'set ssh_user = "root", or _sudo = True (with _sudo_password where it asks for one)'),
    ("authentication", "give ssh_user, ssh_key or ssh_password that the host takes"),
    ("host key", "the host key has changed: find out why, then update known_hosts"),
    ("could not resolve", "fix the name in the inventory, or give ssh_hostname"),
    ("could not connect", "is the host up, and does its ssh answer?"),
    ("no space left", "free some space on the host, then rerun the deploy"),
    ("enough free space", "free some space on the host, then rerun the deploy"),
    ("could not get lock", "another package manager is at work: wait for it, then rerun the deploy"),
    ("not signed", KEY_REMEDY),
    ("openpgp", KEY_REMEDY),
    ("gpg", KEY_REMEDY),
    ("was not found", "name in cdh_version one that the repository holds"),
    ("unable to find a match", "name in cdh_version one that the repository holds"),
    ("connection", "the host went away: when it is back, rerun the deploy"),
    ("no answer within", "the host went away: when it is back, rerun the deploy"),
)
OTHERWISE = "fix it on the host and rerun the deploy; it resumes where it stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One host at the end; ``changed`` are the names of the steps that changed it (or would, with --dry)."""

    host: str
    state: State
    before: str = ""
    after: str = ""
    changed: tuple[str, ...] = ()
    seconds: float = 0.0
    step: str = ""
    reason: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the host is as the inventory wants it."""
        return self.state in {State.OK, State.PLANNED}

    @property
    def remedy(self) -> str:
        """What to do about it; empty where nothing is to be done."""
        if self.is_good or self.state is State.WAITING:
            return ""
        text = self.reason.lower()
        if self.state is State.UNHEALTHY:
            return f"ssh {self.host} consul-docker-host check"
        return next((remedy for sign, remedy in REMEDIES if sign in text), OTHERWISE)

    def row(self) -> tuple[str, ...]:
        """Return the cells of its line."""
        version = self.after if self.before == self.after else f"{self.before or '-'} -> {self.after or '-'}"
        healthy = {State.OK: "yes", State.UNHEALTHY: "no", State.PLANNED: ""}.get(self.state, "?")
        changed = str(len(self.changed)) if self.changed else "-"
        return self.host, version or "-", changed, healthy, f"{self.seconds:.1f}", self.state.value


def summary(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return the table of all hosts, and below it what is to be done."""
    lines = table(("host", "version", "changed", "healthy", "seconds", "state"), [one.row() for one in outcomes])
    troubles = []
    for one in outcomes:
        if one.remedy:
            where = f' at "{one.step}"' if one.step else ""
            troubles.append(f"{one.host}: {one.state.value}{where}: {one.reason}")
            troubles.append(f"  {one.remedy}")
    return (*lines, *troubles)


def as_json(outcomes: Sequence[Outcome], stopped: str) -> str:
    """Return the report for programs, version 1."""
    hosts = [{**asdict(one), "remedy": one.remedy} for one in outcomes]
    is_ok = not stopped and all(one.is_good for one in outcomes)
    return json.dumps({"version": 1, "ok": is_ok, "stopped": stopped, "hosts": hosts}, indent=2)
