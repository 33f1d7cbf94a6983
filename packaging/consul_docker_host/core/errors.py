"""The one error that reaches the user."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

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
    """A fact with its value, and the remedy beside it.

    ``str(error)`` is what the user reads: the message, and below it the hint, indented. No traceback goes with it.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class Mistakes:
    """Collects the errors of checks that do not depend on each other, so that a user reads all of them at once."""

    def __init__(self) -> None:
        self.found: list[BuildError] = []

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """Keep the BuildError that the block raises for later; the block must not set what later blocks need."""
        try:
            yield
        except BuildError as error:
            # The error itself would keep files and connections open: its traceback holds what failed.
            self.found.append(BuildError(error.message, hint=error.hint))

    def refuse(self) -> None:
        """Raise one BuildError with all that was collected, in that order; nothing where there was no mistake."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise BuildError("\n".join(dict.fromkeys(map(str, self.found))))


def describe(error: BaseException) -> str:
    """Return what the user reads of an error: a BuildError's text, else the system's reason with the file it names."""
    if not isinstance(error, OSError):
        return str(error) or type(error).__name__
    where = f"{error.filename}: " if error.filename else ""
    hint = HINTS.get(error.errno or 0)
    return f"{where}{error.strerror or error}" + (f"\n  {hint}" if hint else "")
