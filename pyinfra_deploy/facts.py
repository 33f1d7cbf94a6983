"""What is asked of a host before anything is changed; no fact ever holds a secret, only its digest."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from pyinfra.api.facts import FactBase

from pyinfra_deploy.repository import NAME

SETTINGS_FILE = f"/etc/default/{NAME}"
# The host's own command touches it when all that it renders for Consul was written.
APPLIED = f"/run/{NAME}/consul.whole"
PROBE = {"deb": "false", "rpm": "true", "": "command -v dnf >/dev/null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """How the host installs packages, and which version of ours it has; an empty one: none, or not whole."""

    family: str
    version: str


class InstalledPackage(FactBase[Installed]):
    """The package as dpkg or rpm knows it."""

    def command(self, manager: str = "") -> str:
        """Ask for the family in the first line, the version in the second."""
        rpm = f"rpm -q --queryformat '%{{VERSION}}-%{{RELEASE}}\\n' {NAME} 2>/dev/null | grep '^[0-9]' || :"
        deb = f"dpkg-query -W -f '${{db:Status-Status}} ${{Version}}\\n' {NAME} 2>/dev/null | sed -n 's/^installed //p'"
        return f"if {PROBE[manager]}; then echo rpm; {rpm}; else echo deb; {deb}; fi"

    def process(self, output: list[str]) -> Installed:
        """Return what was found."""
        return Installed(family=output[0], version=output[1] if len(output) > 1 else "")


class PlacedFiles(FactBase[dict[str, str]]):
    """Files by path as ``MODE OWNER DIGEST``; the key "group" tells whether the host has Consul's group."""

    def command(self, paths: tuple[str, ...]) -> str:
        """Print a line for each file that is there."""
        look = (
            'printf "%s|%s %s\\n" "$f" "$(stat -c "%a %U:%G" "$f")" "$(sha256sum <"$f" | cut -c 1-64)"; done; '
            'getent group consul >/dev/null && echo "group|consul"; :'
        )
        return f'for f in {shlex.join(paths)}; do [ -f "$f" ] && {look}'

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
        asked = 'dpkg-query -S "$f" >/dev/null 2>&1 || rpm -qf "$f" >/dev/null 2>&1'
        return f'for f in {shlex.join(paths)}; do if {asked}; then echo "$f"; fi; done'

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
        return f"cat {SETTINGS_FILE} 2>/dev/null || :"

    @staticmethod
    def default() -> str:
        """Return what an empty file holds."""
        return ""


class IsApplied(FactBase[bool]):
    """Whether the host runs on its settings and secrets as they lie there: none is newer than what was rendered."""

    def command(self, paths: tuple[str, ...]) -> str:
        """Print a first line, so that no answer is not taken for a good one, and those that are newer."""
        newer = f'find "$f" -newer {APPLIED} 2>/dev/null'
        return (
            f"echo asked; if [ -e {APPLIED} ]; then for f in {shlex.join(paths)}; do {newer}; done; "
            f"else echo {APPLIED}; fi; :"
        )

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
        return f"{NAME} check --json 2>/dev/null || :"

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
        library = f"/usr/lib/{NAME}/lib.sh"
        return f"if [ -r {library} ]; then . {library}; QUIET=1; load_config; api {shlex.quote(path)} || :; fi"

    @staticmethod
    def default() -> str:
        """Return what no answer means."""
        return ""
