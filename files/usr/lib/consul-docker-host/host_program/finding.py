"""The findings of the check at a link of the chain."""

from __future__ import annotations

from typing import NamedTuple

OK, WARN, BROKEN = "ok", "warn", "broken"


class Finding(NamedTuple):
    """A link's state, its description, and the remedy if it is not ok."""

    state: str
    text: str
    remedy: str = ""


def ok(text: str) -> Finding:
    """Return the finding that a link works."""
    return Finding(OK, text)


def warn(text: str, remedy: str) -> Finding:
    """Return the finding that a link works with a fault, or could not be checked."""
    return Finding(WARN, text, remedy)


def broken(text: str, remedy: str) -> Finding:
    """Return the finding that a link does not work."""
    return Finding(BROKEN, text, remedy)
