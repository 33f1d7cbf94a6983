"""The scripts that run on a host: files beside this one, sent as they are, with values as arguments."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "scripts"
LAUNCHER = "python.sh"
UNUSABLE = "unusable "


class UnusableHostError(Exception):
    """The package is on the host, and cannot be asked there; the text is the reason that the host printed."""


@functools.cache
def text_of(name: str) -> str:
    """Return a script's text."""
    return (FOLDER / name).read_text(encoding="utf-8")


def command(name: str, *arguments: str) -> str:
    """Return the shell command that runs a script with these arguments."""
    if name.endswith(".py"):
        return shlex.join(["python3", "-IB", "-c", text_of(name), *arguments])
    return shlex.join(["sh", "-c", text_of(name), name, *arguments])


def agent_command(*arguments: str) -> str:
    """Return the shell command that asks the host's own agent, by a command of agent.py."""
    return shlex.join(["sh", "-c", text_of(LAUNCHER), LAUNCHER, text_of("agent.py"), *arguments])


def raise_unusable(output: list[str]) -> None:
    """Raise UnusableHostError where agent_command has found no way to ask: silence would pass for a missing cluster."""
    for line in output:
        if line.startswith(UNUSABLE):
            raise UnusableHostError(one_line(line.removeprefix(UNUSABLE)))


def one_line(text: str) -> str:
    """Return what a host printed as one line that a terminal shows as it is."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
