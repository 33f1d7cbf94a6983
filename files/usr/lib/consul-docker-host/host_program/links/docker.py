"""Check the link "docker": the engine, which the check never starts."""

from __future__ import annotations

from collections.abc import Iterator

from host_program import units
from host_program.facts import Facts
from host_program.finding import Finding, broken, ok, warn
from host_program.links import reasons


def check(facts: Facts) -> Iterator[Finding]:
    """Check the engine; without it, Consul and DNS still work, so most faults are warnings."""
    docker, unit = facts.docker, facts.unit(units.DOCKER)
    if not docker.has_command:
        yield warn("there is no docker command", "install Docker (since Debian 13 the command is in docker-cli)")
    elif unit.is_masked:
        yield warn("docker.service is masked", "systemctl unmask docker && systemctl start docker")
    elif not docker.may_ask:
        yield _stopped(facts)
    elif docker.is_answering:
        yield _answering(facts)
    elif docker.is_denied:
        yield warn("only root can check this", "sudo consul-docker-host check")
    else:
        yield broken("Docker does not answer", "systemctl restart docker")


def _stopped(facts: Facts) -> Finding:
    if facts.docker.invalid:
        return broken(
            f"cannot start: not valid JSON: {facts.docker.invalid}",
            "fix that line, then: systemctl restart docker",
        )
    finding = reasons.stopped(facts, units.DOCKER)
    return warn(finding.text, finding.remedy) if facts.unit(units.DOCKER).is_stopped else finding


def _answering(facts: Facts) -> Finding:
    address = facts.host.built_in.address
    if facts.docker.invalid:
        return warn(f"answers, but would fail to restart: not valid JSON: {facts.docker.invalid}", "fix that line")
    if facts.firewall_rule:
        return warn(f"answers, but the firewall drops queries from containers to {address}", facts.firewall_rule)
    return ok(f"answers; docker-dns: {'on' if facts.docker.is_leading else 'off'}")
