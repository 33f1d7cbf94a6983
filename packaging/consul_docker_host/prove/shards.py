"""Shards: the stories of all suites in N parts of about the same time, each story in exactly one of them.

Stories of one group (a file, or all that share a distribution's host) stay together. A part is a run of neighbours in
the order of the suites, so that few suites have to be prepared for it. The plan comes from the recorded times alone:
no machine has to know what another one collects. A group without a recorded time goes to one of the parts that have
some of its suite, by its name.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import write_text

PRECISION = 0.05  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of ``count`` parts; the first has the number 1."""

    number: int
    count: int

    def __str__(self) -> str:
        """Return how a user writes it."""
        return f"{self.number}/{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one shard runs of one suite: its groups, and by which numbers unknown groups are shared out."""

    number: int
    own: frozenset[str]
    others: frozenset[str]
    holders: tuple[int, ...]

    def has(self, group: str) -> bool:
        """Return whether this shard runs a group."""
        if group in self.own or group in self.others:
            return group in self.own
        return self.holders[zlib.crc32(group.encode()) % len(self.holders)] == self.number

    def write(self, path: Path) -> None:
        """Write it for pytest."""
        content = {
            "number": self.number,
            "own": sorted(self.own),
            "others": sorted(self.others),
            "holders": self.holders,
        }
        write_text(path, json.dumps(content))


def read_part(path: Path) -> Part:
    """Return what `Part.write` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Part(
        number=content["number"],
        own=frozenset(content["own"]),
        others=frozenset(content["others"]),
        holders=tuple(content["holders"]),
    )


def parts_of(
    shard: Shard, times: Mapping[str, Mapping[str, float]], workers: Mapping[str, int], suites: Sequence[str]
) -> dict[str, Part]:
    """Return what a shard runs of each suite; a suite of which it runs nothing is not in it.

    ``workers`` says how many groups of a suite run at a time.
    """
    if unknown := [suite for suite in suites if not times.get(suite)]:
        raise BuildError(
            f"tests/times.toml: contains no times of {', '.join(unknown)}",
            hint="run the suite without --shard, then ./inv test.times",
        )
    groups = [(suite, group) for suite in suites for group in sorted(times[suite])]
    numbers = dict(zip(groups, split(groups, times, workers, shard.count), strict=True))
    found = {}
    for suite in suites:
        own = frozenset(group for group in times[suite] if numbers[suite, group] == shard.number)
        holders = tuple(sorted({numbers[suite, group] for group in times[suite]}))
        if own:
            others = frozenset(times[suite]) - own
            found[suite] = Part(number=shard.number, own=own, others=others, holders=holders)
    return found


def split(
    groups: Sequence[tuple[str, str]],
    times: Mapping[str, Mapping[str, float]],
    workers: Mapping[str, int],
    count: int,
) -> list[int]:
    """Return the shard's number of each group: the split whose longest part is the shortest."""

    def filled(limit: float) -> list[int]:
        numbers: list[int] = []
        part: list[tuple[str, str]] = []
        number = 1
        for group in groups:
            if part and seconds_of([*part, group], times, workers) > limit:
                part, number = [], number + 1
            part.append(group)
            numbers.append(number)
        return numbers

    low, high = 0.0, seconds_of(groups, times, workers)
    while high - low > PRECISION:
        middle = (low + high) / 2
        if filled(middle)[-1] <= count and max_seconds(groups, filled(middle), times, workers) <= middle:
            high = middle
        else:
            low = middle
    return filled(high)


def seconds_of(
    groups: Iterable[tuple[str, str]], times: Mapping[str, Mapping[str, float]], workers: Mapping[str, int]
) -> float:
    """Return how long these groups take: of each suite as much as its workers need, and no less than one group does."""
    by_suite: dict[str, list[float]] = {}
    for suite, group in groups:
        by_suite.setdefault(suite, []).append(times[suite][group])
    return sum(max(sum(found) / max(workers.get(suite, 1), 1), *found) for suite, found in by_suite.items())


def max_seconds(
    groups: Sequence[tuple[str, str]],
    numbers: Sequence[int],
    times: Mapping[str, Mapping[str, float]],
    workers: Mapping[str, int],
) -> float:
    """Return how long the longest part takes."""
    parts: dict[int, list[tuple[str, str]]] = {}
    for group, number in zip(groups, numbers, strict=True):
        parts.setdefault(number, []).append(group)
    return max(seconds_of(part, times, workers) for part in parts.values())
