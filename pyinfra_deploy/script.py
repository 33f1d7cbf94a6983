"""Run the scripts beside this module on a host: their text is sent unchanged, with values as arguments."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "scripts"
LAUNCHER = "python.sh"
UNUSABLE = "unusable "


class UnusableHostError(Exception):
    """The package is on the host but cannot be used there; the text is the reason that the host printed."""


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
    """Return the shell command that asks the host's own agent with agent.py."""
    return shlex.join(["sh", "-c", text_of(LAUNCHER), LAUNCHER, text_of("agent.py"), *arguments])


def raise_unusable(output: list[str]) -> None:
    """Raise UnusableHostError if agent_command could not ask, because silence would look like a missing cluster."""
    for line in output:
        if line.startswith(UNUSABLE):
            raise UnusableHostError(one_line(line.removeprefix(UNUSABLE)))


def one_line(text: str) -> str:
    """Return a host's output as one printable line."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
