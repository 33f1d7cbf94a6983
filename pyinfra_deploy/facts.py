"""What is asked of a host before anything is changed; no fact ever holds a secret, only its digest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pyinfra.api.facts import FactBase

from pyinfra_deploy import script
from pyinfra_deploy.repository import NAME

SETTINGS_FILE = f"/etc/default/{NAME}"
# The host's own command touches it when all that it renders for Consul was written.
APPLIED = f"/run/{NAME}/consul.whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """How the host installs packages, and which version of ours it has; an empty one: none, or not whole."""

    family: str
    version: str


class InstalledPackage(FactBase[Installed]):
    """The package as dpkg or rpm knows it."""

    def command(self, manager: str = "") -> str:
        """Ask for the family in the first line, the version in the second."""
        return script.command("installed.sh", manager, NAME)

    def process(self, output: list[str]) -> Installed:
        """Return what was found."""
        return Installed(family=output[0], version=output[1] if len(output) > 1 else "")


class PlacedFiles(FactBase[dict[str, str]]):
    """Files by path as ``MODE OWNER DIGEST``; the key "group" tells whether the host has Consul's group."""

    def command(self, paths: tuple[str, ...]) -> str:
        """Print a line for each file that is there."""
        return script.command("placed.sh", *paths)

    def process(self, output: list[str]) -> dict[str, str]:
        """Return the lines as a mapping."""
        return dict(line.split("|", 1) for line in output if "|" in line)

    @staticmethod
    def default() -> dict[str, str]:
        """Return what no answer means."""
        return {}


class PackagedFiles(FactBase[list[str]]):
    """Those of the paths that belong to a package, as dpkg or rpm knows it."""

    def command(self, paths: tuple[str, ...]) -> str:
        """Print each of them."""
        return script.command("packaged.sh", *paths)

    def process(self, output: list[str]) -> list[str]:
        """Return them."""
        return output

    @staticmethod
    def default() -> list[str]:
        """Return what no answer means."""
        return []


class HostSettings(FactBase[str]):
    """The text of the host's own file; it names secrets, and holds none."""

    def command(self) -> str:
        """Print it."""
        return script.command("settings-read.sh", SETTINGS_FILE)

    @staticmethod
    def default() -> str:
        """Return what an empty file holds."""
        return ""


class IsApplied(FactBase[bool]):
    """Whether the host runs on its settings and secrets as they lie there: none is newer than what was rendered."""

    def command(self, paths: tuple[str, ...]) -> str:
        """Print a first line, so that no answer is not taken for a good one, and those that are newer."""
        return script.command("applied.sh", APPLIED, *paths)

    def process(self, output: list[str]) -> bool:
        """Tell whether none was found."""
        return output == ["asked"]

    @staticmethod
    def default() -> bool:
        """Return what no answer means."""
        return False


class Check(FactBase[dict[str, Any] | None]):
    """What the host's own check says; None where it is not installed."""

    def command(self) -> str:
        """Ask it; a broken link is an answer, not an error."""
        return script.command("check.sh", NAME)

    def process(self, output: list[str]) -> dict[str, Any] | None:
        """Return the answer."""
        try:
            answer = json.loads("\n".join(output))
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None


class Api(FactBase[str]):
    """An answer of the host's own agent, asked with the agent's rights; empty where there is none."""

    def command(self, path: str) -> str:
        """Ask through the package's own library, which keeps the token out of argv."""
        return script.agent_command("api", path)

    def process(self, output: list[str]) -> str:
        """Return the answer."""
        script.raise_unusable(output)
        return "\n".join(output)

    @staticmethod
    def default() -> str:
        """Return what no answer means."""
        return ""
