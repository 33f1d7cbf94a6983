"""A container that runs a whole system, as a machine under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from docker.models.containers import Container

from consul_docker_host.core.run import Result, failure_text
from tests.support.containers.engine import answering, own_engine
from tests.support.containers.images import execute, put_bytes
from tests.support.machine import COMMAND_SECONDS, Machine
from tests.support.speed import scaled
from tests.support.tree import Digests, Tree, read_tree

REPORT = """
echo '--- failed units'; systemctl --failed --no-legend --plain
echo '--- journal'; journalctl --no-pager --no-hostname --output=short-precise --lines=60
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Machine):
    """A host in a container."""

    container: Container
    name: str
    digests: Digests = field(default_factory=dict, repr=False, compare=False)

    def run(
        self,
        command: str | Sequence[str],
        *,
        check: bool = True,
        seconds: float = COMMAND_SECONDS,
        user: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a program, or a line of shell, as ``user`` (root) and with ``environment`` beside the container's own."""
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        bounded = ["timeout", "--kill-after=5", f"{scaled(seconds):g}", *argv]
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

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file that root owns; its directory must exist."""
        put_bytes(self.container, path, data.encode() if isinstance(data, str) else data, mode=mode)

    def tree(self) -> Tree:
        """Return everything on the host's disk, as far as a package is answerable for it."""
        return read_tree(self.output_bytes, self.digests)

    def output_bytes(self, command: str) -> bytes:
        """Return what a line of shell prints, undecoded; it must succeed."""
        code, out, error = execute(self.container, ["timeout", f"{scaled(120):g}", "sh", "-c", command])
        assert code == 0, f"{self.name}: {command}: {error.decode(errors='replace')}"
        return out

    def address(self) -> str:
        """Return the host's address in the test network."""
        return self.output("ip -4 -o addr show dev eth0 scope global | sed 's,.*inet \\([0-9.]*\\)/.*,\\1,'")

    def report(self) -> str:
        """Return what one wants to see when a test on this host failed."""
        result = self.run(REPORT, check=False)
        return result.output or bytes(self.container.logs(tail=40)).decode(errors="replace")

    def enter_command(self) -> str:
        """Return the command by which a user enters the host."""
        engine = own_engine()
        option = "" if answering(None) else f"-H {engine.url} "
        return f"docker {option}exec -it {self.container.name} sh"
