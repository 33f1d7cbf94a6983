"""What systemd knows about the units of the chain, asked once."""

from __future__ import annotations

from typing import NamedTuple

from host_program.programs import run

PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "ActiveEnterTimestampMonotonic")


class Unit(NamedTuple):
    """A unit's load state, active state and sub-state; ``since`` is in microseconds of the monotonic clock."""

    name: str
    load: str = ""
    active: str = ""
    sub: str = ""
    since: int = 0

    @property
    def is_running(self) -> bool:
        """Whether its program runs now."""
        return self.active == "active" and self.sub == "running"


def show(*names: str) -> dict[str, Unit]:
    """Return the units by name, in systemd's order; empty where systemd does not answer."""
    done = run("systemctl", "show", *(f"--property={name}" for name in PROPERTIES), *names)
    units = {}
    for block in done.out.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        if "Id" in values:
            units[values["Id"]] = Unit(
                name=values["Id"],
                load=values.get("LoadState", ""),
                active=values.get("ActiveState", ""),
                sub=values.get("SubState", ""),
                since=int(values.get("ActiveEnterTimestampMonotonic") or 0),
            )
    return units
