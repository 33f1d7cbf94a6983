"""The only door through which the program prints.

Names of services, nodes, containers and units come from others. A line end in one would add a line to what root reads,
an escape sequence would reach the terminal: neither passes here.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any, TextIO

PROGRAM = "consul-docker-host"
# A name or message of somebody else within one of our lines.
FOREIGN_LIMIT = 300


class Failure(Exception):  # noqa: N818 - the end of a command, which is no defect of the program
    """A command that cannot do its work: the message for standard error, and the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def printable(text: str) -> str:
    """Return the text as one line, each control character replaced by a blank."""
    return "".join(character if character.isprintable() else " " for character in text)


def clean(text: str) -> str:
    """Return the text as one printable line in which a run of blanks is one blank."""
    return " ".join(printable(text).split())


def shorten(text: str) -> str:
    """Return what somebody else wrote as one printable line of a bearable length."""
    return clean(text)[:FOREIGN_LIMIT]


def say(*lines: str, to: TextIO | None = None) -> None:
    """Print each line to standard output, or to another stream, without what is not printable in it."""
    _write("".join(printable(line).rstrip() + "\n" for line in lines), to or sys.stdout)


def say_json(value: Any) -> None:
    """Print a value as JSON text, without what is not printable in its strings."""
    _write(json.dumps(_cleaned(value), ensure_ascii=False, indent=2) + "\n", sys.stdout)


def report(line: str) -> None:
    """Print one line that begins with the place of a mistake to standard error."""
    say(line, to=sys.stderr)


def warn(message: str) -> None:
    """Print one message to standard error, after the program's name."""
    report(f"{PROGRAM}: {message}")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: _cleaned(each) for key, each in value.items()}
    return [_cleaned(each) for each in value] if isinstance(value, (list, tuple)) else value


def _write(text: str, stream: TextIO) -> None:
    # As shell did: UTF-8 whatever the locale, which would otherwise refuse the arrow in the resolver's line.
    if isinstance(stream, io.TextIOWrapper) and stream.encoding != "utf-8":
        stream.reconfigure(encoding="utf-8")
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # Whoever reads, such as head, has seen enough; the exit code stays what it is.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
