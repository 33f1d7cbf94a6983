"""Facts about a host, read before anything is changed; a fact never contains a secret, only its digest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pyinfra.api.facts import FactBase

from pyinfra_deploy import script
from pyinfra_deploy.repository import NAME

SETTINGS_FILE = f"/etc/default/{NAME}"
# The host's own command touches this file when it has rendered Consul's configuration completely.
APPLIED = f"/run/{NAME}/consul.whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The host's package family, and the version of our package; empty if it is missing or only partly installed."""

    family: str
    version: str


class InstalledPackage(FactBase[Installed]):
    """The state of the package in dpkg's or rpm's database."""

    def command(self, manager: str = "") -> str:
        """Print the family in the first line, and the version in the second."""
        return script.command("installed.sh", manager, NAME)

    def process(self, output: list[str]) -> Installed:
        """Return the parsed lines."""
        return Installed(family=output[0], version=output[1] if len(output) > 1 else "")


class PlacedFiles(FactBase[dict[str, str]]):
    """Files by path as ``MODE OWNER DIGEST``; the key "group" is present if the host has Consul's group."""

    def command(self, paths: tuple[str, ...]) -> str:
        """Print a line for each existing file."""
        return script.command("placed.sh", *paths)

    def process(self, output: list[str]) -> dict[str, str]:
        """Return the lines as a mapping."""
        return dict(line.split("|", 1) for line in output if "|" in line)

    @staticmethod
    def default() -> dict[str, str]:
        """Return the value for a host that gives no answer."""
        return {}


class PackagedFiles(FactBase[list[str]]):
    """The paths that belong to a package in dpkg's or rpm's database."""

    def command(self, paths: tuple[str, ...]) -> str:
        """Print each such path."""
        return script.command("packaged.sh", *paths)

    def process(self, output: list[str]) -> list[str]:
        """Return the paths."""
        return output

    @staticmethod
    def default() -> list[str]:
        """Return the value for a host that gives no answer."""
        return []


class HostSettings(FactBase[str]):
    """The text of the host's own settings file, which names files with secrets but contains none."""

    def command(self) -> str:
        """Print the file."""
        return script.command("settings-read.sh", SETTINGS_FILE)

    @staticmethod
    def default() -> str:
        """Return the text of a missing file."""
        return ""


class IsApplied(FactBase[bool]):
    """Whether the host has applied its settings and secrets: none of the files is newer than the last rendering."""

    def command(self, paths: tuple[str, ...]) -> str:
        """Print a first line, which distinguishes an answer from silence, and then each newer file."""
        return script.command("applied.sh", APPLIED, *paths)

    def process(self, output: list[str]) -> bool:
        """Return whether no file is newer."""
        return output == ["asked"]

    @staticmethod
    def default() -> bool:
        """Return the value for a host that gives no answer."""
        return False


class Check(FactBase[dict[str, Any] | None]):
    """The report of the host's own check; None if it is not installed."""

    def command(self) -> str:
        """Run the check; a broken link is an answer, not an error."""
        return script.command("check.sh", NAME)

    def process(self, output: list[str]) -> dict[str, Any] | None:
        """Return the parsed answer."""
        try:
            answer = json.loads("\n".join(output))
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None


class Api(FactBase[str]):
    """An answer of the host's own agent, asked with the agent's rights; empty if it gives none."""

    def command(self, path: str) -> str:
        """Ask through the package's own modules, which keep the token out of argv."""
        return script.agent_command("api", path)

    def process(self, output: list[str]) -> str:
        """Return the parsed answer."""
        script.raise_unusable(output)
        return "\n".join(output)

    @staticmethod
    def default() -> str:
        """Return the value for a host that gives no answer."""
        return ""
