"""Check the link "resolver": the host's own names are resolved by dnsmasq."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, ok, warn


def check(facts: Facts) -> Iterator[Finding]:
    """Check whether the host finds Consul by name."""
    way, address = facts.resolver.way, facts.host.built_in.address
    if facts.resolver.is_finding is None:
        silence = "does not answer" if facts.consul.reply is None else f"does not know {facts.consul_name}"
        yield warn(f"{way}; skipped: Consul's DNS {silence}", 'fix "dns" first')
    elif facts.resolver.is_finding:
        yield ok(way)
    elif "is not changed" in way:
        yield warn(
            f"{facts.consul_name} is not found: {way}",
            f"configure the program that writes that file to use {address} as name server",
        )
    else:
        yield warn(
            f"{facts.consul_name} is not found: {way}",
            'consul-docker-host apply; if "dnsmasq" is broken, fix that first',
        )
