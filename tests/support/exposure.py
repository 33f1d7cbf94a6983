"""How exposed the units may be: the data of exposure.toml, typed, and the command that judges them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError

FILE = Path(__file__).resolve().parent / "exposure.toml"
# What a unit may reach without giving a reason.
WANTED = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A unit, the exposure that it may have at most (0.0 to 10.0), and why that is more than wanted."""

    name: str
    at_most: float
    reason: str = ""

    def command(self, *options: str) -> list[str]:
        """Return the argv that ends with 1 when the unit is more exposed; systemd counts in tenths there."""
        threshold = f"--threshold={self.at_most * 10:.0f}"
        return ["systemd-analyze", "security", "--no-pager", threshold, *options, self.name]


def read_limits(path: Path = FILE) -> tuple[Limit, ...]:
    """Return all units of the file; one above 2.0 without a reason raises BuildError."""
    limits = tuple(Limit(**table) for table in tomllib.loads(path.read_text(encoding="utf-8"))["unit"])
    for limit in limits:
        if limit.at_most > WANTED and not limit.reason:
            raise BuildError(f"{path.name}: {limit.name}: {limit.at_most} without a reason", hint="give one, or less")
    return limits
