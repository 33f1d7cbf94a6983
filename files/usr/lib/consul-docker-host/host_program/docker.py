"""Ask Docker about its containers, only if Docker runs, because connecting to its socket would start it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from host_program.programs import have, run

SECONDS = 5.0
# Docker's message for a container that does not exist, in lower case.
NO_CONTAINER = "no such container"


def may_ask() -> bool:
    """Return whether Docker can be asked without starting it against its administrator's will."""
    if not have("docker"):
        return False
    lines = run("systemctl", "show", "-p", "LoadState", "-p", "ActiveState", "docker.service").out.split()
    if not {"LoadState=loaded", "LoadState=masked"}.intersection(lines):
        return True
    return "ActiveState=active" in lines


def inspect_running() -> list[dict[str, Any]]:
    """Return Docker's description of each running container; empty if it does not answer in time."""
    if os.environ.get("DPKG_ROOT") or not may_ask():
        return []
    names = run("docker", "ps", "-q", seconds=SECONDS).out.split()
    return inspect(names, seconds=SECONDS) or [] if names else []


def inspect(names: Sequence[str], *, seconds: float) -> list[dict[str, Any]] | None:
    """Return the description of each container that still exists, or None if Docker does not answer in time."""
    inspected = run("docker", "container", "inspect", *names, seconds=seconds)
    # The client fails if a container has been removed meanwhile, and also if Docker itself does not answer.
    if not inspected.is_ok and any(NO_CONTAINER not in line.lower() for line in inspected.err.splitlines() or [""]):
        return None
    try:
        containers = json.loads(inspected.out)
    except (ValueError, RecursionError):
        return None
    return [each for each in containers if isinstance(each, dict)] if isinstance(containers, list) else None
