"""Read tests/install/distributions.toml: the distributions that the packages are tested on."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT

FILE = ROOT / "tests" / "install" / "distributions.toml"


class Family(StrEnum):
    """The package format that a distribution installs."""

    DEB = "deb"
    RPM = "rpm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One distribution.

    ``suite`` is mmdebstrap's name for it (empty: mmdebstrap does not support it), ``image`` the official container
    image. A plain `pytest` tests it if ``is_local``, `--long` also if ``is_long``, and the workflow if ``is_official``,
    from its image and on ``architectures``. ``manager`` is the package manager, if it is not apt or dnf.
    """

    name: str
    family: Family
    image: str
    suite: str = ""
    is_local: bool = False
    is_long: bool = False
    is_official: bool = False
    manager: str = ""
    architectures: tuple[str, ...] = ("amd64", "arm64")


def read_distributions(path: Path = FILE) -> tuple[Distribution, ...]:
    """Return all distributions of the file, in its order."""
    distributions = []
    for table in tomllib.loads(path.read_text(encoding="utf-8"))["distribution"]:
        try:
            lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
            distributions.append(Distribution(**{**table, **lists, "family": Family(table["family"])}))
        except (KeyError, TypeError, ValueError) as error:
            raise BuildError(f"{path.name}: {table.get('name', table)}: {error}", hint="see the first entry") from error
    return tuple(distributions)


def select(name: str, *, is_long: bool = False) -> tuple[Distribution, ...]:
    """Return the distribution of that name; for an empty name those of the short form, or of the long one."""
    everything = read_distributions()
    if not name:
        return tuple(item for item in everything if item.is_local or (is_long and item.is_long))
    chosen = tuple(item for item in everything if item.name == name)
    if not chosen:
        raise BuildError(
            f"--distro {name}: no such distribution", hint="known: " + ", ".join(d.name for d in everything)
        )
    return chosen


def workflow_matrix() -> dict[str, list[dict[str, str]]]:
    """Return the matrix of the workflow: one job for each official distribution and architecture."""
    runners = {"amd64": "ubuntu-24.04", "arm64": "ubuntu-24.04-arm"}
    return {
        "include": [
            {"distro": distribution.name, "architecture": architecture, "runner": runners[architecture]}
            for distribution in read_distributions()
            if distribution.is_official
            for architecture in distribution.architectures
        ]
    }


if __name__ == "__main__":
    print(json.dumps(workflow_matrix()))
