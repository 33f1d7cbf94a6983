"""The only door through which the program prints.

Names of services, nodes, containers and units come from others. A line end in one would add a line to what root reads,
an escape sequence would reach the terminal: neither passes here.
"""

from __future__ import annotations

import sys
from typing import TextIO

PROGRAM = "consul-docker-host"


def clean(text: str) -> str:
    """Return the text as one printable line: control characters and runs of blanks become one blank."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def say(*lines: str, to: TextIO | None = None) -> None:
    """Print each line to standard output, or to another stream, without what is not printable in it."""
    stream = to or sys.stdout
    for line in lines:
        stream.write("".join(character if character.isprintable() else " " for character in line).rstrip() + "\n")


def warn(message: str) -> None:
    """Print one message to standard error, after the program's name."""
    sys.stdout.flush()
    say(f"{PROGRAM}: {message}", to=sys.stderr)


class Failure(Exception):
    """A command that cannot do its work: the message for standard error, and the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
