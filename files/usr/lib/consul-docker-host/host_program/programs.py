"""Run other programs with a list of arguments and a time limit; no other module starts programs."""

from __future__ import annotations

import os
from typing import NamedTuple

# The exit codes of shells and of coreutils' timeout: https://tldp.org/LDP/abs/html/exitcodes.html
NOT_FOUND = 127
TIMED_OUT = 124


class Done(NamedTuple):
    """The result of a program: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def is_ok(self) -> bool:
        """Whether it exited with 0."""
        return self.code == 0


def run(*argv: str, seconds: float = 5.0, text: str = "") -> Done:
    """Run a program with ``text`` on its standard input and return its result; never raise.

    A program that is missing exits with 127, one that takes longer than ``seconds`` is killed and exits with 124.
    """
    # Rendering before a start of Consul rarely runs another program, and this import takes a third of its time.
    import subprocess  # noqa: PLC0415

    try:
        completed = subprocess.run(
            argv,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
            # The output of programs is parsed, so it must not be translated.
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        return Done(TIMED_OUT, "", f"{argv[0]} timed out after {seconds:g} s")
    except OSError as error:
        return Done(NOT_FOUND, "", f"{argv[0]}: {error.strerror}")
    return Done(completed.returncode, completed.stdout, completed.stderr)


def have(program: str) -> bool:
    """Return whether the program is on PATH."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders if folder)


def widen_path() -> None:
    """Add /usr/local to the PATH, because a Consul or Docker that was installed by hand is there."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    missing = [folder for folder in ("/usr/local/sbin", "/usr/local/bin") if folder not in folders]
    os.environ["PATH"] = os.pathsep.join(folders + missing)
