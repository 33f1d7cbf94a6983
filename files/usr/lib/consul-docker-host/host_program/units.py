"""Read the states of the chain's units from systemd, once."""

from __future__ import annotations

from typing import NamedTuple

from host_program.programs import run

DNSMASQ = "dnsmasq.service"
DOCKER = "docker.service"
REGISTRATOR = "registrator.service"
GUARD = "consul-docker-host-guard.service"
PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "ActiveEnterTimestampMonotonic")


class Unit(NamedTuple):
    """A unit's load state, active state and sub-state; ``since`` is in microseconds of the monotonic clock.

    All states are empty if systemd does not answer.
    """

    name: str
    load: str = ""
    active: str = ""
    sub: str = ""
    since: int = 0

    @property
    def is_known(self) -> bool:
        """Whether systemd reported it."""
        return bool(self.load)

    @property
    def is_running(self) -> bool:
        """Whether its program runs now."""
        return self.active == "active" and self.sub == "running"

    @property
    def is_masked(self) -> bool:
        """Whether the administrator masked it."""
        return self.load == "masked"

    @property
    def is_missing(self) -> bool:
        """Whether no installed package provides it."""
        return self.load == "not-found"

    @property
    def is_stopped(self) -> bool:
        """Whether it is stopped on purpose."""
        return self.active == "inactive"

    @property
    def is_failing(self) -> bool:
        """Whether its program has failed, finally or until systemd's next attempt."""
        return self.active == "failed" or self.sub == "auto-restart"


def show(*names: str) -> dict[str, Unit]:
    """Return the units by name, in systemd's order; empty if systemd does not answer."""
    output = run("systemctl", "show", *(f"--property={name}" for name in PROPERTIES), *names).out
    units = {}
    for block in output.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        if "Id" in values:
            since = values.get("ActiveEnterTimestampMonotonic", "")
            units[values["Id"]] = Unit(
                name=values["Id"],
                load=values.get("LoadState", ""),
                active=values.get("ActiveState", ""),
                sub=values.get("SubState", ""),
                since=int(since) if since.isdigit() else 0,
            )
    return units
