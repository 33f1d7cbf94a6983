"""What a user chose of all tests: suites, a shard, retries, a report. All mistakes are reported at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.prove.shards import Shard

MOST_SHARDS = 99
MOST_RETRIES = 9
QUICK = ("lint", "unit", "package", "install")
# One host by one install: the host that the README promises, on the current Debian.
QUICK_ARGS = {"install": "tests/install/test_host.py --distro=debian-13"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How suites are run; ``junit`` is the directory for reports."""

    shard: Shard | None = None
    junit: Path | None = None
    retries: int = 0
    is_kept: bool = False
    is_long: bool = False
    is_quick: bool = False


def choose(
    known: Sequence[str],
    *,
    suite: str = "",
    shard: str = "",
    junit: str = "",
    retries: str = "0",
    keep: bool = False,
    long: bool = False,
    quick: bool = False,
) -> tuple[tuple[str, ...], Choice]:
    """Return the chosen names, in the order of ``known``, and how to run them; BuildError has all mistakes."""
    mistakes: list[str] = []
    names = chosen_suites(suite, known, mistakes)
    if quick:
        given = (("--suite", suite), ("--shard", shard), ("--long", long))
        mistakes += [f"--quick {option}: use one of the two" for option, value in given if value]
        names = QUICK
    choice = Choice(
        shard=shard_of(shard, mistakes),
        junit=junit_folder(junit, mistakes),
        retries=retries_of(retries, mistakes),
        is_kept=keep,
        is_long=long,
        is_quick=quick,
    )
    if mistakes:
        raise BuildError("\n".join(mistakes), hint="./inv --help test shows the options")
    return names, choice


def chosen_suites(text: str, known: Sequence[str], mistakes: list[str]) -> tuple[str, ...]:
    """Return the suites that a list names; all of them for an empty text."""
    if not text:
        return tuple(known)
    names = [name.strip() for name in text.split(",")]
    for name in dict.fromkeys(names):
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1)
            nearest = f"did you mean {near[0]}?" if near else f"use {', '.join(known)}"
            mistakes.append(f"--suite {text}: {name or 'an empty name'}: unknown suite; {nearest}")
        elif names.count(name) > 1:
            mistakes.append(f"--suite {text}: {name} is given twice")
    return tuple(name for name in known if name in names)


def shard_of(text: str, mistakes: list[str]) -> Shard | None:
    """Return the shard that K/N names."""
    if not text:
        return None
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if not found:
        mistakes.append(f"--shard {text}: must be K/N, such as 2/4")
        return None
    number, count = int(found[1]), int(found[2])
    if not 1 <= count <= MOST_SHARDS:
        mistakes.append(f"--shard {text}: the number of shards must be between 1 and {MOST_SHARDS}")
    elif not 1 <= number <= count:
        mistakes.append(f"--shard {text}: the shard must be between 1 and {count}")
    return Shard(number=number, count=count)


def junit_folder(text: str, mistakes: list[str]) -> Path | None:
    """Return the directory for reports, which need not exist yet."""
    if not text:
        return None
    path = Path(text).absolute()
    existing = next(one for one in (path, *path.parents) if one.exists())
    if not existing.is_dir():
        mistakes.append(f"--junit {text}: {existing} is not a directory")
    return path


def retries_of(text: str, mistakes: list[str]) -> int:
    """Return how often a failed group of stories is run again."""
    if text.isascii() and text.isdigit() and int(text) <= MOST_RETRIES:
        return int(text)
    mistakes.append(f"--retries {text}: must be between 0 and {MOST_RETRIES}")
    return 0
