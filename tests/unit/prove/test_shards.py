"""Shards: each story in exactly one, stories of one host together, and the parts of about the same time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.prove.shards import Part, Shard, parts_of, read_part, seconds_of
from consul_docker_host.prove.suites import EVERYTHING, SUITES
from consul_docker_host.prove.times import read_times
from tests.support.schedule import group_of

WORKERS = {suite.name: suite.workers or 1 for suite in SUITES.values()}
NAMES = st.text("abc/. -", min_size=1, max_size=8)
TIMES = st.dictionaries(
    st.sampled_from(EVERYTHING), st.dictionaries(NAMES, st.floats(0.1, 900), min_size=1, max_size=6), min_size=1
)


def all_parts(times: dict[str, dict[str, float]], count: int) -> list[dict[str, Part]]:
    suites = [suite for suite in EVERYTHING if suite in times]
    return [parts_of(Shard(number=k, count=count), times, WORKERS, suites) for k in range(1, count + 1)]


@given(TIMES, st.integers(1, 12), NAMES)
def test_each_group_is_in_exactly_one_shard_known_or_not(
    times: dict[str, dict[str, float]], count: int, unknown: str
) -> None:
    shards = all_parts(times, count)
    for suite, groups in times.items():
        for group in {*groups, unknown}:
            assert sum(parts[suite].has(group) for parts in shards if suite in parts) == 1


@given(TIMES, st.integers(1, 12))
def test_no_shard_takes_longer_than_an_even_share_and_one_group(times: dict[str, dict[str, float]], count: int) -> None:
    groups = [(suite, group) for suite, found in times.items() for group in found]
    parts = [
        [(suite, group) for suite, part in shard.items() for group in part.own] for shard in all_parts(times, count)
    ]
    # A suite whose workers are kept busy in one part may leave one idle in two.
    alone = sum(times[suite][group] for suite, group in groups)
    largest = max(times[suite][group] for suite, group in groups)
    assert max(seconds_of(part, times, WORKERS) for part in parts) <= alone / count + largest + 0.1


def test_the_committed_times_are_those_of_the_suites_and_four_shards_are_balanced() -> None:
    times = read_times(Workspace())
    assert tuple(times) == EVERYTHING
    seconds = [
        seconds_of([(suite, group) for suite, part in shard.items() for group in part.own], times, WORKERS)
        for shard in all_parts(times, 4)
    ]
    assert max(seconds) < 2 * min(seconds), seconds


def test_the_stories_of_a_file_on_one_distribution_are_one_group() -> None:
    file = "tests/install/test_upgrade.py"
    assert group_of(f"{file}::test_a[debian-13]") == group_of(f"{file}::test_b[debian-13-x]") == f"debian-13 {file}"
    assert group_of(f"{file}::test_a") == file


def collected(*options: str) -> list[str]:
    """Return the tests of two suites that pytest would run."""
    argv = [sys.executable, "-m", "pytest", "tests/repository", "tests/deploy", "--collect-only", "-q"]
    done = run([*argv, "-p", "no:cacheprovider", *options], cwd=ROOT, check=False)
    assert done.returncode in {0, 5}, done.output
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_pytest_runs_each_story_in_exactly_one_shard(tmp_path: Path) -> None:
    everything = collected()
    times = read_times(Workspace())
    # Two groups that no machine has timed yet.
    for suite in ("repository", "deploy"):
        del times[suite][min(times[suite])]
    mixed = {"repository": times["repository"] | times["deploy"]}
    found: list[str] = []
    for number in (1, 2):
        part = parts_of(Shard(number=number, count=2), mixed, WORKERS, ["repository"])["repository"]
        part.write(tmp_path / "part.json")
        stories = collected(f"--part={tmp_path / 'part.json'}")
        groups = {group_of(story) for story in stories}
        assert not groups & {group_of(story) for story in found}, "a group was torn apart"
        found += stories
    assert sorted(found) == sorted(everything)
    assert len(everything) > 50


def test_a_part_is_read_as_it_was_written(tmp_path: Path) -> None:
    part = Part(number=2, own=frozenset({"a", "b c"}), others=frozenset({"d"}), holders=(1, 2))
    part.write(tmp_path / "part.json")
    assert read_part(tmp_path / "part.json") == part


def test_a_suite_without_times_is_an_error() -> None:
    with pytest.raises(BuildError, match=r"^tests/times\.toml: contains no times of vm\n"):
        parts_of(Shard(number=1, count=2), {"unit": {"a": 1.0}}, WORKERS, ["unit", "vm"])
