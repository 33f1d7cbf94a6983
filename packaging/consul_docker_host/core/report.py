"""Report a task's progress: a moving status on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence

SLOW_SECONDS = 1.0


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def say(line: str) -> None:
    """Print one line without buffering, also into a pipe."""
    print(line, flush=True)


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Show a stage that runs for more than a second, and then how long it took."""
    begin = time.monotonic()
    # A terminal shows the moving status at once; a log gets the stage's name only if the stage is slow.
    notice = threading.Timer(SLOW_SECONDS, say, [f"{name} ..."])
    if is_terminal():
        from rich.console import Console  # noqa: PLC0415 - 70 ms that a pipe does not need

        with Console().status(name):
            yield
    else:
        notice.start()
        try:
            yield
        finally:
            notice.cancel()
    seconds = time.monotonic() - begin
    if seconds >= SLOW_SECONDS:
        say(f"{name}: {seconds:.1f} s")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the headers and the rows as aligned lines; the last column is not padded."""
    widths = [max(len(row[column]) for row in (headers, *rows)) for column in range(len(headers) - 1)]

    def line(row: Sequence[str]) -> str:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        return "  ".join([*cells, row[-1]])

    return tuple(line(row) for row in (headers, *rows))
