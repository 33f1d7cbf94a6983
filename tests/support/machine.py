"""What a story does with a machine, whether it is a container, a guest, or a directory with fake programs.

A machine of a kind implements ``run``, ``put`` and ``report``; all that is asked by commands is written here once.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from consul_docker_host.core.run import Result, failure_text
from tests.support import speed

COMMAND_SECONDS = 60.0
# A question by a line of shell may take this long in a wait, so that one that hangs is asked again.
QUESTION_SECONDS = 20.0


@runtime_checkable
class Machine(Protocol):
    """A machine under test. Seconds are those of the reference machine; here they last as long as ``speed`` says."""

    @property
    def name(self) -> str:
        """The machine's name."""

    def run(self, command: str | Sequence[str], *, check: bool = True, seconds: float = COMMAND_SECONDS) -> Result:
        """Run a program, or a line of shell, to its end; with ``check`` an exit code other than 0 fails the test.

        It has no terminal and no input. One that runs longer than ``seconds`` ends with 124, as `timeout` reports it.
        """

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file that root owns."""

    def report(self) -> str:
        """Return the end of its logs and what has failed on it."""

    @property
    def pause(self) -> float:
        """Seconds between two questions of a wait: each costs the machine some of its processor."""
        return 0.1

    def output(self, command: str | Sequence[str], *, seconds: float = COMMAND_SECONDS) -> str:
        """Return what the command prints, without the last newline; it must succeed."""
        return self.run(command, seconds=seconds).stdout.strip()

    def file(self, path: str) -> File:
        """Return a path of the machine."""
        return File(machine=self, path=path)

    def service(self, name: str) -> Service:
        """Return a unit of the machine."""
        return Service(machine=self, name=name)

    def failed_units(self) -> str:
        """Return the failed units, one per line; empty is the good answer."""
        return self.output("systemctl --failed --no-legend --plain")

    def wait_until(self, condition: str | Callable[[], bool], seconds: float, *, what: str = "") -> float:
        """Wait until a line of shell exits with 0 (or a function returns True); return how many seconds it took."""
        begin, limit, last = time.monotonic(), speed.scaled(seconds), ""
        while True:
            if isinstance(condition, str):
                result = self.run(condition, check=False, seconds=max(2.0, min(seconds, QUESTION_SECONDS)))
                is_met, last = result.returncode == 0, failure_text(result)
            else:
                is_met = condition()
            elapsed = time.monotonic() - begin
            if is_met:
                return elapsed
            if elapsed > limit:
                # The load may have come after the run began.
                limit = seconds * speed.measure(0.3)
            if elapsed > limit:
                raise AssertionError(f"{self.name}: not within {elapsed:.0f} s: {what or condition}\n{last}")
            time.sleep(self.pause)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A path on a machine; every property asks the machine at once."""

    machine: Machine
    path: str

    @property
    def exists(self) -> bool:
        """Whether something is there, a broken link too."""
        return self._ask("test -e {0} || test -L {0}").returncode == 0

    @property
    def text(self) -> str:
        """The whole content."""
        found = self._ask("cat {0}", check=True).stdout
        # A busy engine now and then loses the output of a short program: a file that is not empty is read again.
        return found or (self._ask("cat {0}").stdout if self._ask("test -s {0}").returncode == 0 else "")

    @property
    def mode(self) -> str:
        """The permissions as four octal digits."""
        return self._ask("stat -c %a {0}", check=True).stdout.strip().zfill(4)

    @property
    def owner(self) -> str:
        """User and group as ``root:root``."""
        return self._ask("stat -c %U:%G {0}", check=True).stdout.strip()

    @property
    def target(self) -> str:
        """Where the link points to; empty if it is not a link."""
        return self._ask("readlink {0}").stdout.strip()

    def _ask(self, command: str, *, check: bool = False) -> Result:
        return self.machine.run(command.format(shlex.quote(self.path)), check=check)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A systemd unit on a machine."""

    machine: Machine
    name: str

    @property
    def is_active(self) -> bool:
        """Whether it is up."""
        return self._ask("is-active")

    @property
    def is_enabled(self) -> bool:
        """Whether it starts at boot."""
        return self._ask("is-enabled")

    @property
    def is_failed(self) -> bool:
        """Whether it failed."""
        return self._ask("is-failed")

    def _ask(self, verb: str) -> bool:
        return self.machine.run(["systemctl", "--quiet", verb, self.name], check=False).returncode == 0
