"""Look at the interface, its address and the guard of the address."""

from __future__ import annotations

from typing import NamedTuple

from host_program.background import Later
from host_program.programs import TIMED_OUT, have, run
from host_program.settings import LIBRARY, Host


class Network(NamedTuple):
    """Whether the interface exists and is up, and the interfaces that have the address."""

    is_there: bool
    is_up: bool
    holders: tuple[str, ...]


class Guard(NamedTuple):
    """Whether nft is installed, whether the guard's table is up to date, and the bridges that it blocks.

    ``has_answered`` is false if the guard took too long, so that nothing is known about its table.
    """

    has_nft: bool
    is_current: bool
    refused: tuple[str, ...]
    has_answered: bool = True


def look(host: Host) -> Network:
    """Look at the interface, and for the address on all interfaces."""
    link = run("ip", "-o", "link", "show", "dev", host.built_in.interface).out
    flags = link.partition("<")[2].partition(">")[0].split(",")
    addresses = run("ip", "-4", "-o", "address", "show", "to", f"{host.built_in.address}/32").out
    holders = tuple(line.split()[1] for line in addresses.splitlines() if len(line.split()) > 1)
    return Network(is_there=bool(link.strip()), is_up="UP" in flags, holders=holders)


def look_at_guard(host: Host) -> Guard:
    """Ask the guard about its table, which only root can."""
    if not have("nft"):
        return Guard(has_nft=False, is_current=False, refused=())
    script = f"{host.path(LIBRARY)}/guard"
    check = Later(lambda: run(script, "check"))
    # A bridge that the administrator allows by name no longer counts as refused.
    allowed = host.values["BRIDGES"].split()
    refused = tuple(name for name in run(script, "refused").out.split() if not _matches(name, allowed))
    done = check.get()
    return Guard(has_nft=True, is_current=done.is_ok, refused=refused, has_answered=done.code != TIMED_OUT)


def _matches(name: str, patterns: list[str]) -> bool:
    return any(name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern for pattern in patterns)
