"""Check the link "address": it must be on our interface, and on no other."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, broken, ok, warn


def check(facts: Facts) -> Iterator[Finding]:
    """Check which interfaces have it, because Calico, AWS's VPC CNI and rootless Podman use the same address."""
    interface, address = facts.host.built_in.interface, facts.host.built_in.address
    others = [name for name in facts.network.holders if name != interface]
    if interface not in facts.network.holders:
        elsewhere = f", but on {' '.join(others)}" if others else ""
        yield broken(f"{address} is not on {interface}{elsewhere}", "systemctl restart consul-docker-host-link")
    elif others:
        yield warn(
            f"{address} is also on {' '.join(others)}: another program uses it",
            f"ip address delete {address}/32 dev {others[0]}; if a program needs it there, "
            "build with another link.address",
        )
    else:
        yield ok(f"{address} is on {interface}")
