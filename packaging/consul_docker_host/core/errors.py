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
    """An error with the wrong value in its message, and the remedy as its hint.

    ``str(error)`` is shown to the user without a traceback: the message, and below it the hint, indented.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class Mistakes:
    """Collects the errors of independent checks, so that all of them are reported at once."""

    def __init__(self) -> None:
        self.errors: list[BuildError] = []

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """Keep a BuildError of the block for later; only the code after refuse() may use what the block sets."""
        try:
            yield
        except BuildError as error:
            # A copy is kept, because the error's traceback would keep files and connections open.
            self.errors.append(BuildError(error.message, hint=error.hint))

    def refuse(self) -> None:
        """Raise one BuildError with every collected error, in order; do nothing if there is none."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise BuildError("\n".join(dict.fromkeys(map(str, self.errors))))


def describe(error: BaseException) -> str:
    """Return the text of an error for the user: a BuildError's own, else the system's reason with the file's name."""
    if not isinstance(error, OSError):
        return str(error) or type(error).__name__
    file = f"{error.filename}: " if error.filename else ""
    hint = HINTS.get(error.errno or 0)
    return f"{file}{error.strerror or error}" + (f"\n  {hint}" if hint else "")
