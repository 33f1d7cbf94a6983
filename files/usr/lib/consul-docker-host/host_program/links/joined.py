"""Check the link "joined": this host knows the cluster's leader."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, ok, warn
from host_program.links import consul
from host_program.settings import FILE


def check(facts: Facts) -> Iterator[Finding]:
    """Check whether there is a leader; without one this host works otherwise, so it is only a warning."""
    host, agent = facts.host, facts.consul.agent
    if not agent.advertised and not (agent.itself.is_refused and consul.is_running(facts)):
        return
    if agent.leader:
        yield ok(f"leader {agent.leader}")
    elif host.values["ROLE"] == "server":
        yield warn(
            f"no leader yet: {host.values['BOOTSTRAP_EXPECT']} servers elect one when they know each other",
            f"set RETRY_JOIN= in {FILE} on each of them, then: consul-docker-host apply",
        )
    elif host.values["RETRY_JOIN"]:
        yield warn(
            f"not joined: no answer from {host.values['RETRY_JOIN']}",
            f"start the servers, or fix RETRY_JOIN= in {FILE}, then: consul-docker-host apply",
        )
    else:
        yield warn("not joined: no server is configured", f"set RETRY_JOIN= in {FILE}, then: consul-docker-host apply")
