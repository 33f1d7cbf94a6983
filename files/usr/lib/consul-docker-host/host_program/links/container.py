"""container: what a container gets to hear when it asks for Consul."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, broken, ok, warn
from host_program.links.guard import allow


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge the answers; where Docker does not answer its own line says enough."""
    docker, address = facts.docker, facts.host.built_in.address
    if not docker.is_answering:
        return
    if not facts.is_root:
        yield warn("only root can ask from inside a container", "sudo consul-docker-host check")
    elif docker.has_stopped:
        yield warn(
            "Docker stopped answering, so no container was asked",
            "run the check again; if that does not help: systemctl restart docker",
        )
    elif not docker.askable:
        yield ok("no container on a bridge to ask from")
    elif not facts.has_dns:
        yield warn("skipped: the host itself gets no answer", 'fix "dnsmasq" first')
    elif not docker.asked:
        yield ok("no container on a bridge to ask from")
    elif not docker.are_answered:
        yield _cut_off(facts, docker.asked[-1].name)
    else:
        names = " ".join(container.name for container in docker.asked)
        foreign = [] if docker.is_leading else [each.name for each in docker.asked if not each.is_led]
        without = f"; started without --dns {address}: {' '.join(foreign)}" if foreign else ""
        yield ok(f"asked from inside: {names}{without}")


def _cut_off(facts: Facts, name: str) -> Finding:
    address = facts.host.built_in.address
    if facts.guard and facts.guard.refused:
        why, remedy = "the guard refuses its bridge", allow(facts.host, facts.guard.refused)
    elif facts.firewall_rule:
        why, remedy = "the firewall drops it", facts.firewall_rule
    else:
        why = "a firewall or the guard drops it"
        remedy = (
            f"iptables -I INPUT -d {address} -j ACCEPT; "
            "where that does not help: systemctl restart consul-docker-host-guard"
        )
    return broken(f"{name} gets no answer from {address}, the host does: {why}", remedy)
