"""Check the link "container": DNS from inside containers."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, broken, ok, warn
from host_program.links.guard import allow


def check(facts: Facts) -> Iterator[Finding]:
    """Check the answers; if Docker does not answer, the link "docker" reports it."""
    docker, address = facts.docker, facts.host.built_in.address
    if not docker.is_answering:
        return
    if not facts.is_root:
        yield warn("only root can test from inside a container", "sudo consul-docker-host check")
    elif docker.has_stopped:
        yield warn(
            "Docker stopped answering, so no container was tested",
            "run the check again; if it still fails: journalctl -u docker",
        )
    elif not docker.askable:
        yield ok("there is no container on a bridge network to test from")
    elif not facts.has_dns:
        yield warn("skipped: the host itself gets no answer", 'fix "dnsmasq" first')
    elif not docker.asked:
        yield ok("there is no container on a bridge network to test from")
    elif not docker.are_answered:
        yield _cut_off(facts, docker.asked[-1].name)
    else:
        names = " ".join(container.name for container in docker.asked)
        foreign = [] if docker.is_leading else [each.name for each in docker.asked if not each.is_led]
        without = f"; started without --dns {address}: {' '.join(foreign)}" if foreign else ""
        yield ok(f"tested from inside: {names}{without}")


def _cut_off(facts: Facts, name: str) -> Finding:
    address = facts.host.built_in.address
    if facts.guard and facts.guard.refused:
        reason, remedy = "the guard blocks its bridge", allow(facts.host, facts.guard.refused)
    elif facts.firewall_rule:
        reason, remedy = "the firewall drops its queries", facts.firewall_rule
    else:
        reason = "a firewall or the guard drops its queries"
        remedy = (
            f"iptables -I INPUT -d {address} -j ACCEPT; "
            "if that does not help: systemctl restart consul-docker-host-guard"
        )
    return broken(f"{name} gets no answer from {address}, but the host does: {reason}", remedy)
