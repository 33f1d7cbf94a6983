"""The only door to other programs: a list of arguments, a time limit, and what they printed."""

from __future__ import annotations

import os
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

    A program that is missing exits with 127, one that takes longer than ``seconds`` is killed and exits with 124.
    """
    # A start of Consul needs no other program on most hosts, and the import is a third of its time.
    import subprocess  # noqa: PLC0415

    try:
        done = subprocess.run(
            argv,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
            # What programs print is read here: not in the words of somebody's language.
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        return Done(TIMED_OUT, "", f"{argv[0]} timed out after {seconds:g} s")
    except OSError as error:
        return Done(NOT_FOUND, "", f"{argv[0]}: {error.strerror}")
    return Done(done.returncode, done.stdout, done.stderr)


def have(program: str) -> bool:
    """Return whether the program is on PATH."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders if folder)


def widen_path() -> None:
    """Look for programs below /usr/local as well: a Consul or Docker that was installed by hand lives there."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    missing = [folder for folder in ("/usr/local/sbin", "/usr/local/bin") if folder not in folders]
    os.environ["PATH"] = os.pathsep.join(folders + missing)
