"""The result of each host, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from consul_docker_host.core.report import table


class State(StrEnum):
    """The final state of a host."""

    OK = "ok"
    PLANNED = "planned"  # with --dry
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    UNHEALTHY = "unhealthy"
    WAITING = "not tried"


KEY_REMEDY = "set cdh_repository_key to the key of the archive at cdh_repository_url"
# A text in the output of a failed command -> the remedy; the first match counts.
REMEDIES = (
    ("no root access", 'set ssh_user = "root", or _sudo = True (with _sudo_password where it asks for one)'),
    ("authentication", "set ssh_user, and ssh_key or ssh_password, to values that the host accepts"),
    ("host key", "the host key has changed: find out why, then update known_hosts"),
    ("could not resolve", "fix the name in the inventory, or set ssh_hostname"),
    ("could not connect", "check that the host is up and that its ssh answers"),
    ("no space left", "free some space on the host, then rerun the deploy"),
    ("enough free space", "free some space on the host, then rerun the deploy"),
    ("could not get lock", "another package manager is running: wait for it, then rerun the deploy"),
    ("not signed", KEY_REMEDY),
    ("openpgp", KEY_REMEDY),
    ("gpg", KEY_REMEDY),
    ("was not found", "set cdh_version to a version that the repository contains"),
    ("unable to find a match", "set cdh_version to a version that the repository contains"),
    ("connection", "the connection was lost: rerun the deploy when the host is back"),
    ("no answer within", "the connection was lost: rerun the deploy when the host is back"),
)
OTHERWISE = "fix it on the host and rerun the deploy; it resumes where it stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of one host; ``changed`` are the names of the steps that changed it (or would, with --dry)."""

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
        """Whether the host is as the inventory describes it."""
        return self.state in {State.OK, State.PLANNED}

    @property
    def remedy(self) -> str:
        """The remedy, empty if none is needed."""
        if self.is_good or self.state is State.WAITING:
            return ""
        text = self.reason.lower()
        if self.state is State.UNHEALTHY:
            return f"ssh {self.host} consul-docker-host check"
        return next((remedy for sign, remedy in REMEDIES if sign in text), OTHERWISE)

    def row(self) -> tuple[str, ...]:
        """Return the cells of the host's line."""
        version = self.after if self.before == self.after else f"{self.before or '-'} -> {self.after or '-'}"
        healthy = {State.OK: "yes", State.UNHEALTHY: "no", State.PLANNED: ""}.get(self.state, "?")
        changed = str(len(self.changed)) if self.changed else "-"
        return self.host, version or "-", changed, healthy, f"{self.seconds:.1f}", self.state.value


def summary(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return the table of all hosts, and below it the faults with their remedies."""
    headers = ("host", "version", "changed", "healthy", "seconds", "state")
    lines = table(headers, [outcome.row() for outcome in outcomes])
    faults = []
    for outcome in outcomes:
        if outcome.remedy:
            step = f' at "{outcome.step}"' if outcome.step else ""
            faults.append(f"{outcome.host}: {outcome.state.value}{step}: {outcome.reason}")
            faults.append(f"  {outcome.remedy}")
    return (*lines, *faults)


def as_json(outcomes: Sequence[Outcome], stopped: str) -> str:
    """Return the report for programs, version 1."""
    hosts = [{**asdict(outcome), "remedy": outcome.remedy} for outcome in outcomes]
    is_ok = not stopped and all(outcome.is_good for outcome in outcomes)
    return json.dumps({"version": 1, "ok": is_ok, "stopped": stopped, "hosts": hosts}, indent=2)
