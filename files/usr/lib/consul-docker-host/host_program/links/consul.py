"""Check the link "consul": the agent's program."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.facts.consul import PACKAGED_UNIT
from host_program.finding import Finding, broken, ok, warn
from host_program.links import reasons
from host_program.settings import FILE

INSTALL = "install consul from HashiCorp's repository"


def check(facts: Facts) -> Iterator[Finding]:
    """Check that the agent answers, and report the first reason if it does not."""
    if facts.consul.agent.advertised:
        yield _running(facts)
    else:
        yield _silent(facts)


def _running(facts: Facts) -> Finding:
    if not facts.consul.has_command:
        return warn("is running, but would fail to restart: there is no consul command", INSTALL)
    if facts.consul.invalid:
        return warn(f"is running, but would fail to restart: {facts.consul.invalid}", "fix that file")
    return ok("runs")


def _silent(facts: Facts) -> Finding:
    host, consul = facts.host, facts.consul
    name = host.built_in.consul_unit
    if not consul.has_command:
        return broken("not installed: there is no consul command", f"{INSTALL}; it then starts by itself")
    for port in (host.built_in.http_port, host.built_in.dns_port):
        if port in facts.holders:
            return reasons.held(facts.holders[port], port, "consul")
    # The file is checked before the others are validated, because they are incomplete without it.
    if consul.wanted_file:
        return broken(
            f"{name} does not start without {consul.wanted_file}",
            f"echo 'data_dir = \"/opt/consul\"' >{consul.wanted_file} && systemctl start {name}",
        )
    if consul.invalid:
        return _invalid(consul.invalid)
    return _waiting(facts) or (ok("runs") if consul.is_running else reasons.stopped(facts, name))


def _invalid(reason: str) -> Finding:
    if "No default interface" in reason:
        return broken(
            "the host has no default route from which to derive its address",
            f"set HOST_IP= in {FILE}, then: consul-docker-host apply",
        )
    return broken(f"cannot start: {reason}", "fix that file; Consul then starts by itself")


def _waiting(facts: Facts) -> Finding | None:
    """Return what an agent in a container is waiting for, because its unit is active meanwhile."""
    name, image = facts.host.built_in.consul_unit, facts.host.values["CONSUL_IMAGE"]
    if name == PACKAGED_UNIT or not facts.unit(name).is_running:
        return None
    if not facts.docker.is_answering:
        return broken("waits for Docker", 'fix "docker" first')
    if facts.consul.has_image is False:
        return broken(f"its image is not on this host: {image}", f"docker pull {image} && systemctl restart {name}")
    return None


def is_running(facts: Facts) -> bool:
    """Return whether the agent runs, even if it does not answer."""
    return next(check(facts)).state != "broken"
