"""Install the distribution's packages that tests need; a build needs none of them."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import say, stage
from consul_docker_host.core.run import find_program, network_environment, run

APT_TIMEOUT = 1200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPackage:
    """A Debian package, a path or program of it, its purpose, and the suites that need it."""

    name: str
    probe: str
    purpose: str
    suites: tuple[str, ...]

    def is_needed(self, suites: Collection[str]) -> bool:
        """Return whether one of these suites needs it."""
        return bool(set(self.suites) & set(suites))

    def is_present(self) -> bool:
        """Return whether the package's program or file is on this machine."""
        return Path(self.probe).exists() if self.probe.startswith("/") else find_program(self.probe) is not None


def read_packages(path: Path) -> tuple[SystemPackage, ...]:
    """Read the one list of system packages."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["package"]
    return tuple(SystemPackage(**entry | {"suites": tuple(entry["suites"])}) for entry in entries)


def has_apt() -> bool:
    """Return whether this is Debian or one of its derivatives."""
    return find_program("apt-get") is not None


def ensure_packages(
    packages: tuple[SystemPackage, ...], *, is_root: bool | None = None, apt: Callable[[], bool] = has_apt
) -> None:
    """Install missing packages as root on Debian or Ubuntu; otherwise raise BuildError with the command to run."""
    missing = [package for package in packages if not package.is_present()]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *(package.name for package in missing)]
    lines = "\n".join(f"    {package.name}: {package.purpose}" for package in missing)
    if not apt():
        raise BuildError(
            f"not installed, and this is neither Debian nor Ubuntu:\n{lines}", hint="install them yourself"
        )
    if not (os.geteuid() == 0 if is_root is None else is_root):
        raise BuildError(f"not installed:\n{lines}", hint="run: sudo " + " ".join(command))
    for package in missing:
        say(f"apt-get install {package.name} ({package.purpose})")
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **network_environment()}
    with stage(f"installing {len(missing)} system packages"):
        run(["apt-get", "update", "-qq"], env=quiet, timeout=APT_TIMEOUT)
        run(command, env=quiet, timeout=APT_TIMEOUT)
    still = [package.name for package in missing if not package.is_present()]
    if still:
        raise BuildError(f"still missing after apt-get install: {', '.join(still)}")
