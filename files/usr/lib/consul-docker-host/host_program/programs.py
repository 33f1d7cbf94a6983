"""The only door to other programs: a list of arguments, a time limit, and what they printed."""

from __future__ import annotations

import shutil
import subprocess
from typing import NamedTuple

# The exit codes that shells and coreutils' timeout give: https://tldp.org/LDP/abs/html/exitcodes.html
NOT_FOUND = 127
TIMED_OUT = 124


class Done(NamedTuple):
    """How a program ended: its exit code, and what it printed to standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def is_ok(self) -> bool:
        """Whether it exited with 0."""
        return self.code == 0


def run(*argv: str, seconds: float = 5.0, text: str = "") -> Done:
    """Run a program with ``text`` on its standard input and return how it ended; nothing is raised.

    A program that is not there ends with 127, one that takes longer than ``seconds`` is killed and ends with 124.
    """
    try:
        done = subprocess.run(  # noqa: S603 - every program is started here, from a list of arguments
            argv, input=text, capture_output=True, encoding="utf-8", errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Done(TIMED_OUT, "", f"{argv[0]} timed out after {seconds:g} s")
    except OSError as error:
        return Done(NOT_FOUND, "", f"{argv[0]}: {error.strerror}")
    return Done(done.returncode, done.stdout, done.stderr)


def have(program: str) -> bool:
    """Return whether the program is on PATH."""
    return shutil.which(program) is not None
