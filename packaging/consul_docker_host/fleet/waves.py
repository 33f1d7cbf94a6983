"""Decide the order of hosts, the size of waves and whether the next wave may follow; no host is asked here."""

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
    """Return the size of the wave with this number; after the last size all remaining hosts follow at once."""
    if number >= len(sizes):
        return max(clients, 1)
    size = sizes[number]
    if size.endswith("%"):
        return max(1, -(-clients * int(size[:-1]) // 100))
    return int(size)


def is_sound(wave: Sequence[Outcome]) -> bool:
    """Return whether the deploy may continue: no host is unhealthy, and not all hosts of a larger wave have failed.

    A host that cannot be reached, or whose disk is full, does not stop the deploy of the others.
    """
    if any(outcome.state is State.UNHEALTHY for outcome in wave):
        return False
    return len(wave) < 2 or any(outcome.is_good for outcome in wave)


def has_shown(wave: Sequence[Outcome]) -> bool:
    """Return whether at least one host succeeded; otherwise the next wave is not larger."""
    return any(outcome.is_good for outcome in wave)


def servers_in_order(names: Sequence[str], leader: str) -> tuple[str, ...]:
    """Return the servers with the leader last, so that the cluster elects a new leader only once."""
    return (*(name for name in names if name != leader), *(name for name in names if name == leader))


def datacenter_of(data: Mapping[str, Any]) -> str:
    """Return the datacenter that a host's data names; empty: the package's default."""
    return str(data.get("cdh_datacenter", ""))


def by_datacenter(hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the hosts of each datacenter, both in the inventory's order."""
    groups: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, data in hosts.items():
        groups.setdefault(datacenter_of(data), {})[name] = data
    return groups
