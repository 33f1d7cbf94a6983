"""environment: the variable that leads the host's own programs to Consul."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, ok, warn


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge /etc/environment, only where the build wants it."""
    if not facts.host.built_in.environment:
        return
    if facts.has_variable:
        yield ok("CONSUL_HTTP_ADDR is set in /etc/environment")
    else:
        yield warn("CONSUL_HTTP_ADDR is missing in /etc/environment", "consul-docker-host apply")
