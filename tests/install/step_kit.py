"""Interruptions by step: what a package manager and its scripts do in turn, and a kill at exactly one of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consul_docker_host.core.workspace import ROOT
from tests.support.containers.host import Host
from tests.support.containers.images import put_file
from tests.support.packages import INSTALL_SECONDS

SOURCE = ROOT / "tests/support/programs/trace_steps.py"
TRACER = "/var/tmp/trace_steps.py"
JOURNAL = "/var/tmp/steps"
KILLED = 137
# How the journal names a maintainer script: dpkg's by its name, rpm's by their order.
SCRIPT = re.compile(r"(?:^|[ .])(preinst|postinst|prerm|postrm|scriptlet-\d)(?= > |$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """A command of a package manager on a host, and how to get back to what was before it."""

    host: Host
    command: Sequence[str]
    back: Callable[[], object]

    def steps(self) -> list[str]:
        """Return the steps that two undisturbed runs have in common, in their order."""
        runs = []
        for _ in range(2):
            result = self._run()
            assert result == 0, f"{self.command}: exit code {result} without a kill"
            runs.append(self.host.output(["cat", JOURNAL]).splitlines())
            self.back()
        return [step for step in runs[0] if step in set(runs[1])]

    def kill(self, step: str, *, is_all: bool = True) -> None:
        """Run the command and kill it before a step, with or without what it has started; fail unless it came to it."""
        code = self._run(kill=step, whom="all" if is_all else "first")
        last = self.host.output(["tail", "--lines=3", JOURNAL])
        assert code == KILLED, f"exit code {code}: not killed at {step!r}; the last steps:\n{last}"

    def _run(self, *, kill: str = "", whom: str = "all") -> int:
        if not self.host.file(TRACER).exists:
            put_file(self.host.container, TRACER, SOURCE)
        traced = ["python3", "-IB", TRACER, JOURNAL, kill, whom, *self.command]
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        return self.host.run(traced, check=False, seconds=INSTALL_SECONDS, environment=environment).returncode


def script_of(step: str) -> str:
    """Return the maintainer script in which a step happens; empty for the package manager's own."""
    found = SCRIPT.search(step.partition(":")[0])
    return found[1] if found else ""


def scripts(steps: Sequence[str]) -> list[str]:
    """Return the maintainer scripts in the order in which they ran."""
    return [name for name in dict.fromkeys(map(script_of, steps)) if name]


def choose(steps: Sequence[str], count: int) -> list[str]:
    """Return about ``count`` steps in their order: half the package manager's own, half of the scripts, one of each."""
    own = [step for step in steps if not script_of(step)]
    chosen = set(spread(own, count // 2))
    by_script = {name: [step for step in steps if script_of(step) == name] for name in scripts(steps)}
    of_scripts = len(steps) - len(own)
    for part in by_script.values():
        chosen.update(spread(part, max(1, round((count - count // 2) * len(part) / of_scripts))))
    return [step for step in steps if step in chosen]


def spread(steps: Sequence[str], count: int) -> list[str]:
    """Return up to ``count`` steps at equal distances."""
    count = min(count, len(steps))
    return [steps[int((number + 0.5) * len(steps) / count)] for number in range(count)]
