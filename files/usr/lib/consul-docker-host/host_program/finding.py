"""What the check finds at a link of the chain."""

from __future__ import annotations

from typing import NamedTuple

OK, WARN, BROKEN = "ok", "warn", "broken"


class Finding(NamedTuple):
    """A link's state, in words, and how to fix what is not ok."""

    state: str
    text: str
    remedy: str = ""


def ok(text: str) -> Finding:
    """Return that a link works."""
    return Finding(OK, text)


def warn(text: str, remedy: str) -> Finding:
    """Return that a link works with a fault, or could not be looked at."""
    return Finding(WARN, text, remedy)


def broken(text: str, remedy: str) -> Finding:
    """Return that a link does not work."""
    return Finding(BROKEN, text, remedy)
