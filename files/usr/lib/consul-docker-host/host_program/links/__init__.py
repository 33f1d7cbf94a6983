"""The chain from the settings to a container: the only list of its links, each with the function that checks it."""

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

# The order is that of their dependencies.
LINKS: dict[str, Callable[[Facts], Iterable[Finding]]] = {
    "settings": settings.check,
    "link": link.check,
    "address": address.check,
    "guard": guard.check,
    "consul": consul.check,
    "api": api.check,
    "joined": joined.check,
    "dns": dns.check,
    "dnsmasq": dnsmasq.check,
    "resolver": resolver.check,
    "environment": environment.check,
    "docker": docker.check,
    "registrator": registrator.check,
    "container": container.check,
}


class Line(NamedTuple):
    """A line of the report: a link and a finding."""

    link: str
    finding: Finding


def walk(facts: Facts) -> tuple[Line, ...]:
    """Check every link; a link may have several lines, or none if it depends on a broken one."""
    return tuple(Line(name, finding) for name, check in LINKS.items() for finding in check(facts))


def worst(lines: Iterable[Line]) -> str:
    """Return the worst state of all lines."""
    states = {line.finding.state for line in lines}
    return next(state for state in (BROKEN, WARN, OK) if state in states or state == OK)
