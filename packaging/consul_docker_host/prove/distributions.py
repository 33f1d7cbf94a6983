"""The distributions that the packages are tested on: the data of tests/install/distributions.toml, typed."""

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

    ``suite`` is mmdebstrap's name for it (empty: mmdebstrap cannot make it), ``image`` the official container image,
    ``is_local`` whether a plain `pytest` tests it, ``is_long`` whether `--long` does too; ``is_official`` whether the
    workflow does, from its image, on ``architectures``; ``manager`` is what installs, where that is not apt or dnf.
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
    found = []
    for table in tomllib.loads(path.read_text(encoding="utf-8"))["distribution"]:
        try:
            lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
            found.append(Distribution(**{**table, **lists, "family": Family(table["family"])}))
        except (KeyError, TypeError, ValueError) as error:
            raise BuildError(f"{path.name}: {table.get('name', table)}: {error}", hint="see the first entry") from error
    return tuple(found)


def select(name: str, *, is_long: bool = False) -> tuple[Distribution, ...]:
    """Return the distribution of that name; for an empty name those of the short form, or of the long one."""
    everything = read_distributions()
    if not name:
        return tuple(one for one in everything if one.is_local or (is_long and one.is_long))
    chosen = tuple(one for one in everything if one.name == name)
    if not chosen:
        raise BuildError(
            f"--distro {name}: no such distribution", hint="known: " + ", ".join(d.name for d in everything)
        )
    return chosen


def workflow_matrix() -> dict[str, list[dict[str, str]]]:
    """Return the matrix of the workflow: a job for each official distribution and architecture."""
    runners = {"amd64": "ubuntu-24.04", "arm64": "ubuntu-24.04-arm"}
    return {
        "include": [
            {"distro": one.name, "architecture": architecture, "runner": runners[architecture]}
            for one in read_distributions()
            if one.is_official
            for architecture in one.architectures
        ]
    }


if __name__ == "__main__":
    print(json.dumps(workflow_matrix()))
