"""Check the link "dns": Consul's own DNS, which dnsmasq asks."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, broken, ok, warn
from host_program.settings import FILE, Host


def check(facts: Facts) -> Iterator[Finding]:
    """Check the answer for the name of Consul's own servers."""
    built_in, reply = facts.host.built_in, facts.consul.reply
    if reply is None:
        yield broken(
            f"Consul's DNS does not answer at {built_in.address}:{built_in.dns_port}",
            f"fix the links above; if they are ok: systemctl restart {built_in.consul_unit}",
        )
    elif not reply.is_known:
        yield warn(
            f"Consul's DNS answers at port {built_in.dns_port}, but does not know {facts.consul_name}",
            nameless(facts.host),
        )
    else:
        yield ok(f"Consul's DNS answers at port {built_in.dns_port}")


def nameless(host: Host) -> str:
    """Return the remedy if Consul does not answer for its own name."""
    if host.values["ACL"] == "deny" and not host.values["DNS_TOKEN_FILE"]:
        return f"set DNS_TOKEN_FILE= in {FILE} to the file of a token, which DNS needs with ACL=deny"
    return 'fix "joined" first'
