"""The one error that reaches the user."""

from __future__ import annotations

import errno

HINTS = {
    errno.ENOSPC: "free some disk space and retry; existing artefacts are unchanged",
    errno.EDQUOT: "free some disk space and retry; existing artefacts are unchanged",
    errno.EACCES: "the checkout is not writable: check its owner (was an earlier build run as root?)",
    errno.EPERM: "the checkout is not writable: check its owner (was an earlier build run as root?)",
    errno.EROFS: "the file system is read-only: build in a copy of the checkout",
    errno.EEXIST: "something is in the way of a directory: move it",
    errno.ENOTDIR: "a file is in the way of a directory: move it",
}


class BuildError(Exception):
    """An error with the wrong value in its message, and the remedy as its hint.

    ``str(error)`` is shown to the user without a traceback: the message, and below it the hint, indented.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


def describe(error: BaseException) -> str:
    """Return the text of an error for the user: a BuildError's own, else the system's reason with the file's name."""
    if not isinstance(error, OSError):
        return str(error) or type(error).__name__
    file = f"{error.filename}: " if error.filename else ""
    hint = HINTS.get(error.errno or 0)
    return f"{file}{error.strerror or error}" + (f"\n  {hint}" if hint else "")
