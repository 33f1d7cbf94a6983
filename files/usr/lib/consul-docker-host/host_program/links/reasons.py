"""Report why a program does not run and how to start it; several links use this."""

from __future__ import annotations

from host_program.facts import Facts
from host_program.facts.ports import Holder
from host_program.finding import Finding, broken


def held(holder: Holder, port: int, program: str) -> Finding:
    """Return the finding that another program holds the program's port."""
    if holder.program == "docker-proxy":
        remedy = f"docker stop $(docker ps -q --filter publish={port})"
    elif holder.unit.endswith(".service"):
        remedy = f"systemctl disable --now {holder.unit}"
    elif holder.process == 1:
        remedy = "systemctl list-sockets names the socket unit; disable that unit"
    else:
        remedy = f"kill {holder.process}"
    return broken(
        f"{holder.at}:{port} is held by {holder.program} (process {holder.process})",
        f"{remedy}; {program} then starts by itself",
    )


def stopped(facts: Facts, name: str) -> Finding:
    """Return the finding why a program does not run, by the state of its unit."""
    unit = facts.unit(name)
    if unit.is_masked:
        return broken(f"{name} is masked", f"systemctl unmask {name} && systemctl start {name}")
    if unit.is_missing:
        return broken(f"there is no {name}", f"install the package that provides {name}")
    if unit.is_stopped:
        return broken(f"{name} is stopped", f"systemctl start {name}")
    if unit.is_failing:
        complaint = facts.complaints.get(name)
        return broken(
            f"{name} keeps crashing" + (f": {complaint}" if complaint else ""),
            f"see journalctl -u {name}; it restarts automatically once fixed",
        )
    return broken("no answer", f"systemctl restart {name}")
