"""Check the link "link": the interface."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, broken, ok


def check(facts: Facts) -> Iterator[Finding]:
    """Check whether it exists and is up."""
    interface = facts.host.built_in.interface
    if not facts.network.is_there:
        yield broken(f"{interface} is missing", "systemctl restart consul-docker-host-link")
    elif not facts.network.is_up:
        yield broken(f"{interface} is down", "systemctl restart consul-docker-host-link")
    else:
        yield ok(f"{interface} is up")
