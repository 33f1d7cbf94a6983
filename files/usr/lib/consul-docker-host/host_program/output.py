"""Print the program's output; no other module prints.

Names of services, nodes, containers and units come from other people. A line end in one would add a line to a report
that root reads, and an escape sequence would reach the terminal, so both are replaced here.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any, TextIO

PROGRAM = "consul-docker-host"
# The length limit for a foreign name or message in one of our lines.
FOREIGN_LIMIT = 300


class Failure(Exception):  # noqa: N818 - the failure of a command, not a bug of the program
    """The failure of a command: the message for standard error, and the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def printable(text: str) -> str:
    """Return the text as one line, each control character replaced by a blank."""
    return "".join(character if character.isprintable() else " " for character in text)


def clean(text: str) -> str:
    """Return the text as one printable line, with every run of blanks reduced to one blank."""
    return " ".join(printable(text).split())


def shorten(text: str) -> str:
    """Return a foreign text as one printable line of limited length."""
    return clean(text)[:FOREIGN_LIMIT]


def say(*lines: str, to: TextIO | None = None) -> None:
    """Print each line to standard output or another stream, without unprintable characters."""
    _write("".join(printable(line).rstrip() + "\n" for line in lines), to or sys.stdout)


def say_json(value: Any) -> None:
    """Print a value as JSON, without unprintable characters in its strings."""
    _write(json.dumps(_cleaned(value), ensure_ascii=False, indent=2) + "\n", sys.stdout)


def report(line: str) -> None:
    """Print one line that begins with the position of a mistake to standard error."""
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
    # The output is UTF-8 in every locale, because foreign names may contain characters that the locale cannot encode.
    if isinstance(stream, io.TextIOWrapper) and stream.encoding != "utf-8":
        stream.reconfigure(encoding="utf-8")
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # The reader, such as head, has closed the pipe, which does not change the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
