"""The chain, from the settings to a container: the one list of its links, each with the function that judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from host_program.facts import Facts
from host_program.finding import BROKEN, OK, WARN, Finding
from host_program.links import (
    address,
    api,
    consul,
    container,
    dns,
    dnsmasq,
    docker,
    environment,
    guard,
    joined,
    link,
    registrator,
    resolver,
    settings,
)

# In the order in which the one needs the other.
LINKS: dict[str, Callable[[Facts], Iterable[Finding]]] = {
    "settings": settings.judge,
    "link": link.judge,
    "address": address.judge,
    "guard": guard.judge,
    "consul": consul.judge,
    "api": api.judge,
    "joined": joined.judge,
    "dns": dns.judge,
    "dnsmasq": dnsmasq.judge,
    "resolver": resolver.judge,
    "environment": environment.judge,
    "docker": docker.judge,
    "registrator": registrator.judge,
    "container": container.judge,
}


class Line(NamedTuple):
    """A line of the report: a link and what was found there."""

    link: str
    finding: Finding


def walk(facts: Facts) -> tuple[Line, ...]:
    """Judge every link; one that depends on a link that is broken may have no line, another several."""
    return tuple(Line(name, finding) for name, judge in LINKS.items() for finding in judge(facts))


def worst(lines: Iterable[Line]) -> str:
    """Return the worst state of all."""
    states = {line.finding.state for line in lines}
    return next(state for state in (BROKEN, WARN, OK) if state in states or state == OK)
