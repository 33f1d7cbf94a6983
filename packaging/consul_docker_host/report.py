"""What a task tells the user while it works: progress where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence


def is_terminal() -> bool:
    """Tell whether a person sees the output as it comes."""
    return sys.stdout.isatty()


def say(line: str) -> None:
    """Print one line at once, also into a pipe."""
    print(line, flush=True)


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Show a stage while it runs, and how long it took where that is more than a second."""
    begin = time.monotonic()
    if is_terminal():
        from rich.console import Console  # noqa: PLC0415 - 70 ms that a pipe does not need

        with Console().status(name):
            yield
    else:
        yield
    seconds = time.monotonic() - begin
    if seconds >= 1:
        say(f"{name}: {seconds:.1f} s")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the rows as aligned lines, the headers above them; the last column is not padded."""
    widths = [max(len(row[column]) for row in (headers, *rows)) for column in range(len(headers) - 1)]

    def line(row: Sequence[str]) -> str:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        return "  ".join([*cells, row[-1]])

    return tuple(line(row) for row in (headers, *rows))
