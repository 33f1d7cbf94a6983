"""Check the link "settings": /etc/default/consul-docker-host and the files that it names."""

from __future__ import annotations

from collections.abc import Iterator

from host_program.facts import Facts
from host_program.finding import Finding, ok, warn
from host_program.output import shorten
from host_program.settings import FILE


def check(facts: Facts) -> Iterator[Finding]:
    """Check the lines; a wrong line affects only its own key, so it is only a warning."""
    if not facts.settings_file.is_readable:
        yield warn(f"only root can read {FILE}", "sudo consul-docker-host check")
    elif not facts.settings_file.problems:
        yield ok(f"{FILE} is valid")
    for problem in facts.settings_file.problems:
        yield warn(shorten(str(problem)), "fix the line or the file, then: consul-docker-host apply")
