"""Check the link "dnsmasq": port 53 at our address, for containers and the host."""

from __future__ import annotations

from collections.abc import Iterator

from host_program import units
from host_program.facts import Facts
from host_program.finding import Finding, broken, ok, warn
from host_program.links import reasons
from host_program.links.dns import nameless


def check(facts: Facts) -> Iterator[Finding]:
    """Check its answers, for its own names even if Consul does not answer."""
    dnsmasq = facts.dnsmasq
    if not dnsmasq.has_command:
        yield broken("not installed", "install dnsmasq; it then starts by itself")
    elif 53 in facts.holders:
        yield reasons.held(facts.holders[53], 53, "dnsmasq")
    elif dnsmasq.invalid and dnsmasq.is_answering:
        yield warn(f"answers, but would fail to restart: {dnsmasq.invalid}", "fix or remove that line")
    elif dnsmasq.invalid:
        yield broken(f"cannot start: {dnsmasq.invalid}", "fix or remove that line; dnsmasq then starts by itself")
    elif not dnsmasq.is_answering:
        yield reasons.stopped(facts, units.DNSMASQ)
    elif dnsmasq.reply is None:
        yield ok('answers; Consul\'s names need "dns"')
    elif not dnsmasq.reply.is_known:
        yield warn(
            f"answers, but does not know {facts.consul_name}",
            f"{nameless(facts.host)}; if that is ok: systemctl restart dnsmasq",
        )
    else:
        yield ok(f"answers for {facts.consul_name}")
