"""Read the last complaint of each failing unit from the journal."""

from __future__ import annotations

import re

from host_program.output import shorten
from host_program.programs import run
from host_program.units import Unit

COMPLAINT = re.compile("error|fail|cannot|refuse|denied", re.IGNORECASE)


def look(units: dict[str, Unit]) -> dict[str, str]:
    """Return the last complaint of each failing unit that has one."""
    complaints = {name: _last_complaint(name) for name, unit in units.items() if unit.is_failing}
    return {name: complaint for name, complaint in complaints.items() if complaint}


def _last_complaint(unit: str) -> str:
    # The program's name is matched too, because the journal may not record the unit of a program that exits at once.
    name = unit.removesuffix(".service")
    fields = (f"_SYSTEMD_UNIT={unit}", "+", f"UNIT={unit}", "+", f"SYSLOG_IDENTIFIER={name}")
    lines = run("journalctl", "-q", "-o", "cat", "-n", "30", *fields).out.splitlines()
    complaints = [line for line in lines if COMPLAINT.search(line) and not line.startswith(f"{unit}:")]
    return shorten(complaints[-1]) if complaints else ""
