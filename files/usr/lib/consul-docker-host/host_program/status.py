"""Show this host, its units, its cluster and its services; unreachable parts are reported."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from host_program import agent_api, dns, docker_dns, output, units
from host_program.agent_api import Answer
from host_program.background import Later
from host_program.output import Failure
from host_program.programs import run
from host_program.settings import FILE, LIBRARY, Host
from host_program.units import Unit

MISSING = "not available"
MEMBERS_SHOWN = 10
ALIVE, FAILED = 1, 4
MEMBER_STATES = {1: "alive", 2: "leaving", 3: "left", 4: "failed"}
Rows = Iterator[tuple[str, str]]


def main(host: Host, arguments: list[str]) -> int:
    """Print the status; return the exit code."""
    if arguments:
        raise Failure("status takes no argument", 3)
    itself = Later(lambda: agent_api.ask(host, "agent/self"))
    parts = [
        Later(lambda: list(node(host, itself.get()))),
        Later(lambda: list(services(host, itself.get()))),
        Later(lambda: list(address(host))),
        Later(lambda: list(cache(host))),
        Later(lambda: list(resolver(host))),
        Later(lambda: list(shown_units(host))),
    ]
    rows = [row for part in parts for row in part.get()]
    if host.problems:
        rows.append(("settings", f"{len(host.problems)} wrong in {FILE}; see consul-docker-host check"))
    output.say(f"consul-docker-host {host.built_in.version}", *(f"{name:12} {text}" for name, text in rows))
    return 0


def node(host: Host, itself: Answer) -> Rows:
    """Yield this host's name and role, and its view of the cluster."""
    built_in = host.built_in
    if not itself.is_ok:
        name = host.values["NODE_NAME"] or os.uname().nodename
        yield "node", f"{name}, {host.values['ROLE']} in {host.values['DATACENTER']} (from {FILE})"
        yield "cluster", f"Consul does not answer at http://{built_in.address}:{built_in.http_port}"
        return
    role = "server" if itself.pick("Config", "Server") else "client"
    name, datacenter, version = (itself.text("Config", key) for key in ("NodeName", "Datacenter", "Version"))
    yield "node", f"{name}, {role} in {datacenter}, advertises {itself.text('Member', 'Addr')}, Consul {version}"
    leader = agent_api.ask(host, "status/leader").text()
    yield "cluster", f"leader {leader}" if leader else "no leader known"
    members = agent_api.ask(host, "agent/members").value
    if not isinstance(members, list):
        yield "members", MISSING
        return
    ordered = sorted((member for member in members if isinstance(member, dict)), key=_importance)
    states = [member.get("Status") for member in ordered]
    yield "members", f"{len(ordered)}: {states.count(ALIVE)} alive, {states.count(FAILED)} failed"
    for member in ordered[:MEMBERS_SHOWN]:
        yield "", _member(member)
    if len(ordered) > MEMBERS_SHOWN:
        yield "", f"and {len(ordered) - MEMBERS_SHOWN} more: consul members"


def _importance(member: dict[str, Any]) -> tuple[bool, str]:
    return member.get("Status") == ALIVE, str(member.get("Name"))


def _member(member: dict[str, Any]) -> str:
    state = MEMBER_STATES.get(member.get("Status", 0), "unknown")
    tags = member.get("Tags")
    role = "server" if isinstance(tags, dict) and tags.get("role") == "consul" else "client"
    return f"{output.clean(str(member.get('Name')))}  {output.clean(str(member.get('Addr')))}  {state}  {role}"


def services(host: Host, itself: Answer) -> Rows:
    """Yield the services that are registered here."""
    if not itself.is_ok:
        return
    registered = agent_api.ask(host, "agent/services").value
    if not isinstance(registered, dict):
        yield "services", MISSING
        return
    names = sorted(_service(each) for each in registered.values() if isinstance(each, dict))
    yield "services", " ".join(names) or "none registered here"


def _service(service: dict[str, Any]) -> str:
    port = service.get("Port")
    suffix = f":{port}" if isinstance(port, int) and port > 0 else ""
    return output.clean(str(service.get("Service"))) + suffix


def address(host: Host) -> Rows:
    """Yield whether the address is on the interface."""
    built_in = host.built_in
    shown = run("ip", "-4", "-o", "address", "show", "dev", built_in.interface, "up").out
    is_there = f" {built_in.address}/" in shown
    yield "address", f"{built_in.address} is {'' if is_there else 'not '}on {built_in.interface}"


def cache(host: Host) -> Rows:
    """Yield dnsmasq's cache hit rate."""
    ours = host.built_in.address
    size = dns.ask_dnsmasq(ours, "cachesize")
    if size is None:
        yield "dns", f"dnsmasq does not answer at {ours}"
        return
    hits = dns.ask_dnsmasq(ours, "hits") or 0
    answers = hits + (dns.ask_dnsmasq(ours, "misses") or 0)
    share = f"{hits * 100 // answers} % of " if answers else ""
    yield "dns", f"{share}{answers} answers from the cache of {size} names"


def resolver(host: Host) -> Rows:
    """Yield how the host and its containers resolve names."""
    yield "resolver", run(f"{host.path(LIBRARY)}/resolver", "path").out.strip()
    yield "docker-dns", "on" if docker_dns.status(host) else "off"


def shown_units(host: Host) -> Rows:
    """Yield the units and how long they have been active."""
    states = units.show(
        "consul-docker-host.target", host.built_in.consul_unit, units.DNSMASQ, units.DOCKER, units.REGISTRATOR
    )
    name = "units"
    for unit in states.values():
        yield name, f"{unit.name:26} {_state(unit)}"
        name = ""
    if not states:
        yield name, f"{MISSING}: systemd does not answer"


def _state(unit: Unit) -> str:
    if unit.load != "loaded":
        return unit.load
    return (
        f"active for {span(int(time.monotonic()) - unit.since // 1_000_000)}"
        if unit.active == "active"
        else unit.active
    )


def span(seconds: int) -> str:
    """Return a duration in its two largest units."""
    if seconds >= 86400:
        return f"{seconds // 86400} d {seconds % 86400 // 3600} h"
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"
