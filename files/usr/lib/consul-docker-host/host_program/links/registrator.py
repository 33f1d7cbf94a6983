"""Check the link "registrator", which registers containers with published ports."""

from __future__ import annotations

import re
from collections.abc import Iterator

from host_program import units
from host_program.facts import Facts
from host_program.facts.docker import REGISTRATOR
from host_program.finding import Finding, broken, ok, warn
from host_program.links import reasons
from host_program.output import shorten
from host_program.settings import FILE

# Registrator's IDs have the form HOST:NAME:PORT.
ITS_ID = re.compile(r"^[^:]+:[^:]+:[0-9]+")
LOCAL_PORT = re.compile(r"(?:^| )127\.[0-9.]*:")
OPEN_PORT = re.compile(r"(?:^| )(?:0\.0\.0\.0|\[::\]):")


def check(facts: Facts) -> Iterator[Finding]:
    """Check it and its services; if Docker does not answer, the link "docker" reports it."""
    if not facts.host.built_in.registrator or not facts.docker.is_answering:
        return
    names = {container.name for container in facts.docker.containers}
    lost = sorted({shorten(name) for ident, name, address in facts.consul.agent.services if _is_lost(ident, address)})
    local = [
        container.name
        for container in facts.docker.containers
        if LOCAL_PORT.search(container.ports) and not OPEN_PORT.search(container.ports)
    ]
    if REGISTRATOR not in names:
        yield _missing(facts)
    elif "registrator" in names:
        yield warn("a container named registrator runs beside ours", "docker rm -f registrator")
    elif lost:
        yield broken(f"registered at 127.x, which other hosts cannot reach: {' '.join(lost)}", _lost_remedy(facts))
    elif local:
        yield warn(
            f"published only on 127.0.0.1, which other hosts cannot reach: {' '.join(local)}",
            "start them with -e SERVICE_IGNORE=1",
        )
    else:
        yield ok("runs")


def _is_lost(ident: str, address: str) -> bool:
    return ITS_ID.search(ident) is not None and address.startswith("127.")


def _missing(facts: Facts) -> Finding:
    unit, image = facts.unit(units.REGISTRATOR), facts.host.values["REGISTRATOR_IMAGE"]
    if unit.is_masked or unit.is_stopped or facts.docker.has_registrator_image:
        return reasons.stopped(facts, units.REGISTRATOR)
    return broken(f"its image is not on this host: {image}", f"docker pull {image} && systemctl restart registrator")


def _lost_remedy(facts: Facts) -> str:
    if (facts.host.values["HOST_IP"] or facts.consul.agent.advertised).startswith("127."):
        return f"set HOST_IP= in {FILE} to this host's own address, then: consul-docker-host apply"
    return "stop the other Registrator, which registered it, then: systemctl restart registrator"
