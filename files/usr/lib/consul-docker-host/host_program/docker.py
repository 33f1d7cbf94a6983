"""Docker's client, asked only where Docker runs: a question to its socket would start a stopped one."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from host_program.programs import have, run

SECONDS = 5.0
# Docker's word for a container that is not there, in lower case.
GONE = "no such container"


def may_ask() -> bool:
    """Return whether a question to Docker starts nothing that its administrator has stopped."""
    if not have("docker"):
        return False
    lines = run("systemctl", "show", "-p", "LoadState", "-p", "ActiveState", "docker.service").out.split()
    if not {"LoadState=loaded", "LoadState=masked"}.intersection(lines):
        return True
    return "ActiveState=active" in lines


def inspect_running() -> list[dict[str, Any]]:
    """Return what Docker knows of each running container; none where it does not answer in time."""
    if os.environ.get("DPKG_ROOT") or not may_ask():
        return []
    names = run("docker", "ps", "-q", seconds=SECONDS).out.split()
    return inspect(names, seconds=SECONDS) or [] if names else []


def inspect(names: Sequence[str], *, seconds: float) -> list[dict[str, Any]] | None:
    """Return what Docker knows of the containers that are still there; None where it does not answer in time."""
    done = run("docker", "container", "inspect", *names, seconds=seconds)
    # A container that ended meanwhile makes the client fail, and so does an engine that is gone.
    if not done.is_ok and any(GONE not in line.lower() for line in done.err.splitlines() or [""]):
        return None
    try:
        containers = json.loads(done.out)
    except (ValueError, RecursionError):
        return None
    return [each for each in containers if isinstance(each, dict)] if isinstance(containers, list) else None
