"""Check the link "api": Consul's HTTP API at our address."""

from __future__ import annotations

import os
from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, broken, ok, warn
from host_program.links import consul
from host_program.settings import FILE, WRONG


def check(facts: Facts) -> Iterator[Finding]:
    """Check its answer; if Consul does not run, the link "consul" reports it."""
    built_in, agent = facts.host.built_in, facts.consul.agent
    at = f"http://{built_in.address}:{built_in.http_port}"
    if agent.advertised:
        yield ok(f"answers at {at}, advertises {agent.advertised}")
    elif consul.is_running(facts):
        if agent.itself.is_refused:
            yield _refused(facts)
        else:
            yield broken(f"no answer at {at}", f"systemctl restart {built_in.consul_unit}")


def _refused(facts: Facts) -> Finding:
    place = facts.host.values["AGENT_TOKEN_FILE"]
    if place in {"", WRONG}:
        return broken(
            "the cluster requires a token for the agent (ACL)",
            f"set AGENT_TOKEN_FILE= in {FILE} to the file of one, then: consul-docker-host apply",
        )
    if not facts.is_root and not os.access(facts.host.path(place), os.R_OK):
        return warn("only root can read the agent's token", "sudo consul-docker-host check")
    return broken(
        f"the cluster refuses the token in {place} (ACL)",
        "grant it the agent's policy (man consul-docker-host) or set another token, then: consul-docker-host apply",
    )
