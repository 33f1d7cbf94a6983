"""resolver: the host's own names come to dnsmasq."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, ok, warn


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge whether the host finds Consul, by the way that the owner of resolv.conf decides."""
    way, address = facts.resolver.way, facts.host.built_in.address
    if facts.resolver.is_finding is None:
        silence = "does not answer" if facts.consul.reply is None else f"knows no {facts.consul_name}"
        yield warn(f"{way}; skipped: Consul's DNS {silence}", 'fix "dns" first')
    elif facts.resolver.is_finding:
        yield ok(way)
    elif "left alone" in way:
        yield warn(
            f"{facts.consul_name} is not found: {way}", f"let the owner of that file name {address} as its server"
        )
    else:
        yield warn(
            f"{facts.consul_name} is not found: {way}",
            'consul-docker-host apply; where "dnsmasq" is broken, fix that first',
        )
