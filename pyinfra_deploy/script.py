"""The scripts that run on a host: files beside this one, sent as they are, with values as arguments."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "scripts"
LIBRARY = "agent.sh"


@functools.cache
def text_of(name: str) -> str:
    """Return a script's text."""
    return (FOLDER / name).read_text(encoding="utf-8")


def command(name: str, *arguments: str) -> str:
    """Return the shell command that runs a script with these arguments."""
    return shlex.join(["sh", "-c", text_of(name), name, *arguments])


def agent_command(name: str, *arguments: str) -> str:
    """Return the shell command that runs a script behind the library that asks the host's own agent."""
    return shlex.join(["sh", "-c", text_of(LIBRARY) + text_of(name), name, *arguments])
