"""A thin wrapper over a container that runs a whole system: run, files, services, bounded waits, the tree."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from docker.models.containers import Container

from consul_docker_host.core.run import Result, failure_text
from tests.support.containers.images import execute, put_bytes
from tests.support.tree import Tree, read_tree

DEFAULT_TIMEOUT = 60.0
REPORT = """
echo '--- failed units'; systemctl --failed --no-legend --plain
echo '--- journal'; journalctl --no-pager --no-hostname --output=short-precise --lines=60
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A path on a host; every property asks the host at once."""

    host: Host
    path: str

    @property
    def exists(self) -> bool:
        """Say whether something is there, a broken link too."""
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
        """Where the link points to; empty if it is none."""
        return self._ask("readlink {0}").stdout.strip()

    def _ask(self, command: str, *, check: bool = False) -> Result:
        return self.host.run(command.format(shlex.quote(self.path)), check=check)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A systemd unit on a host."""

    host: Host
    name: str

    @property
    def is_active(self) -> bool:
        """Say whether it is up."""
        return self._ask("is-active")

    @property
    def is_enabled(self) -> bool:
        """Say whether it starts at boot."""
        return self._ask("is-enabled")

    @property
    def is_failed(self) -> bool:
        """Say whether it failed."""
        return self._ask("is-failed")

    def _ask(self, verb: str) -> bool:
        return self.host.run(["systemctl", "--quiet", verb, self.name], check=False).returncode == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host under test."""

    container: Container
    name: str

    def run(
        self,
        command: str | Sequence[str],
        *,
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT,
        user: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a program, or a line of shell, to its end and return its result; it has no terminal and no input.

        With ``check`` an exit code other than 0 fails the test. A program that runs longer than ``timeout`` seconds
        ends with 124, as `timeout` says it.
        """
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        bounded = ["timeout", "--kill-after=5", f"{timeout:g}", *argv]
        code, out, error = execute(self.container, bounded, user=user, environment=environment)
        result = Result(
            argv=tuple(argv),
            returncode=code,
            stdout=out.decode(errors="replace"),
            stderr=error.decode(errors="replace"),
        )
        if check and result.returncode != 0:
            raise AssertionError(f"{self.name}: {failure_text(result)}")
        return result

    def output(self, command: str | Sequence[str], *, timeout: float = DEFAULT_TIMEOUT) -> str:
        """Return what the command prints, without the last newline; it must succeed."""
        return self.run(command, timeout=timeout).stdout.strip()

    def file(self, path: str) -> File:
        """Return a path of the host."""
        return File(host=self, path=path)

    def service(self, name: str) -> Service:
        """Return a unit of the host."""
        return Service(host=self, name=name)

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file, owned by root; its folder must be there."""
        put_bytes(self.container, path, data.encode() if isinstance(data, str) else data, mode=mode)

    def wait_until(self, condition: str | Callable[[], bool], seconds: float, *, what: str = "") -> None:
        """Wait until a line of shell ends with 0 (or a function says True), at most ``seconds``."""
        deadline = time.monotonic() + seconds
        last = ""
        while True:
            if isinstance(condition, str):
                result = self.run(condition, check=False, timeout=max(1.0, min(seconds, 20.0)))
                is_met, last = result.returncode == 0, failure_text(result)
            else:
                is_met = condition()
            if is_met:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: not within {seconds:g} s: {what or condition}\n{last}")
            time.sleep(0.1)

    def tree(self) -> Tree:
        """Return everything on the host's disk, as far as a package is answerable for it."""
        return read_tree(self.output_bytes)

    def output_bytes(self, command: str) -> bytes:
        """Return what a line of shell prints, undecoded; it must succeed."""
        code, out, error = execute(self.container, ["timeout", "120", "sh", "-c", command])
        assert code == 0, f"{self.name}: {command}: {error.decode(errors='replace')}"
        return out

    def failed_units(self) -> str:
        """Return the failed units, one per line; empty is the good answer."""
        return self.output("systemctl --failed --no-legend --plain")

    def address(self) -> str:
        """Return the host's address in the test network."""
        return self.output("ip -4 -o addr show dev eth0 scope global | sed 's,.*inet \\([0-9.]*\\)/.*,\\1,'")

    def report(self) -> str:
        """Return what one wants to see when a test on this host failed."""
        result = self.run(REPORT, check=False)
        return result.output or bytes(self.container.logs(tail=40)).decode(errors="replace")
