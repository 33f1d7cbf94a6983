"""Check the link "environment": the variable by which the host's own programs find Consul."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, ok, warn


def check(facts: Facts) -> Iterator[Finding]:
    """Check /etc/environment, unless the build switched it off."""
    if not facts.host.built_in.environment:
        return
    if facts.has_variable:
        yield ok("CONSUL_HTTP_ADDR is set in /etc/environment")
    else:
        yield warn("CONSUL_HTTP_ADDR is missing in /etc/environment", "consul-docker-host apply")
