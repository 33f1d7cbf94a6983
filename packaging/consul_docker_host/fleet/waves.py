"""In which order hosts are deployed, and whether the next may follow: pure decisions, no host is asked here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from consul_docker_host.core.errors import BuildError
from consul_docker_host.fleet.outcome import Outcome, State

DEFAULT = "1,10%"


def parse_sizes(text: str) -> tuple[str, ...]:
    """Return the sizes of ``--waves``: numbers of hosts, or shares of all clients such as 10 %."""
    sizes = tuple(part.strip() for part in text.split(",") if part.strip())
    for size in sizes:
        digits = size.removesuffix("%")
        is_number = digits.isascii() and digits.isdigit() and int(digits) > 0
        if not is_number or (size.endswith("%") and int(digits) > 100):
            raise BuildError(
                f"--waves {text}: {size} is not a wave size", hint=f"use numbers and percentages, e.g. {DEFAULT}"
            )
    return sizes


def wave_size(sizes: Sequence[str], number: int, clients: int) -> int:
    """Return how many hosts the wave of this number takes; after the last size all others follow at once."""
    if number >= len(sizes):
        return max(clients, 1)
    size = sizes[number]
    if size.endswith("%"):
        return max(1, -(-clients * int(size[:-1]) // 100))
    return int(size)


def is_sound(wave: Sequence[Outcome]) -> bool:
    """Tell whether the deploy may go on: it left no host ill, and did not fail on a whole wave of several.

    A host that cannot be reached, or whose disk is full, is its own trouble and no reason against the others.
    """
    if any(one.state is State.UNHEALTHY for one in wave):
        return False
    return len(wave) < 2 or any(one.is_good for one in wave)


def has_shown(wave: Sequence[Outcome]) -> bool:
    """Tell whether at least one host came through; if not, the next wave is no larger."""
    return any(one.is_good for one in wave)


def servers_in_order(names: Sequence[str], leader: str) -> tuple[str, ...]:
    """Return the servers with the leader last, so that the cluster elects once."""
    return (*(name for name in names if name != leader), *(name for name in names if name == leader))


def datacenter_of(data: Mapping[str, Any]) -> str:
    """Return the datacenter that a host's data names; empty: the package's default."""
    return str(data.get("cdh_datacenter", ""))


def by_datacenter(hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the hosts of each datacenter, both in the inventory's order."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, data in hosts.items():
        found.setdefault(datacenter_of(data), {})[name] = data
    return found
