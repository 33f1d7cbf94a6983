"""What a user chooses: good values are taken, and all bad ones are reported at once with the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.choices import QUICK_ARGS, choose
from consul_docker_host.prove.shards import Shard
from consul_docker_host.prove.suites import EVERYTHING, SUITES, names_tests


def test_without_options_everything_runs_once() -> None:
    names, choice = choose(EVERYTHING)
    assert names == EVERYTHING
    assert (choice.shard, choice.junit, choice.retries, choice.is_kept) == (None, None, 0, False)


def test_suites_come_in_their_order() -> None:
    assert choose(EVERYTHING, suite="vm, lint,install")[0] == ("lint", "install", "vm")


def test_good_values_are_taken(tmp_path: Path) -> None:
    names, choice = choose(EVERYTHING, suite="unit", shard="2/4", junit=str(tmp_path / "new"), retries="2", keep=True)
    assert names == ("unit",)
    assert (choice.shard, choice.junit) == (Shard(number=2, count=4), tmp_path / "new")
    assert (choice.retries, choice.is_kept, str(choice.shard)) == (2, True, "2/4")


def test_quick_is_lint_unit_package_and_one_host_by_one_install() -> None:
    names, choice = choose(EVERYTHING, quick=True)
    assert (names, choice.is_quick) == (("lint", "unit", "package", "install"), True)
    words = QUICK_ARGS["install"].split()
    assert names_tests(words, ROOT)
    assert [word for word in words if word.startswith("--distro=")]


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"suite": "instal"}, "--suite instal: instal: unknown suite; did you mean install?"),
        ({"suite": "zzz"}, f"--suite zzz: zzz: unknown suite; use {', '.join(EVERYTHING)}"),
        ({"suite": "unit,,vm"}, f"--suite unit,,vm: an empty name: unknown suite; use {', '.join(EVERYTHING)}"),
        ({"suite": "unit,unit"}, "--suite unit,unit: unit is given twice"),
        ({"shard": "2"}, "--shard 2: must be K/N, such as 2/4"),
        ({"shard": "a/b"}, "--shard a/b: must be K/N, such as 2/4"),
        ({"shard": "-1/4"}, "--shard -1/4: must be K/N, such as 2/4"),
        ({"shard": "٢/4"}, "--shard ٢/4: must be K/N, such as 2/4"),
        ({"shard": "0/4"}, "--shard 0/4: the shard must be between 1 and 4"),
        ({"shard": "5/4"}, "--shard 5/4: the shard must be between 1 and 4"),
        ({"shard": "1/0"}, "--shard 1/0: the number of shards must be between 1 and 99"),
        ({"shard": "1/100"}, "--shard 1/100: the number of shards must be between 1 and 99"),
        ({"retries": "10"}, "--retries 10: must be between 0 and 9"),
        ({"retries": "-1"}, "--retries -1: must be between 0 and 9"),
        ({"retries": ""}, "--retries : must be between 0 and 9"),
        ({"junit": "/etc/passwd"}, "--junit /etc/passwd: /etc/passwd is not a directory"),
        ({"junit": "/etc/passwd/x"}, "--junit /etc/passwd/x: /etc/passwd is not a directory"),
        ({"quick": True, "suite": "unit"}, "--quick --suite: use one of the two"),
        ({"quick": True, "shard": "1/2"}, "--quick --shard: use one of the two"),
        ({"quick": True, "long": True}, "--quick --long: use one of the two"),
    ],
)
def test_a_mistake_is_one_line(options: dict[str, str | bool], mistake: str) -> None:
    with pytest.raises(BuildError) as caught:
        choose(EVERYTHING, **options)  # type: ignore[arg-type]
    assert caught.value.message == mistake


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(BuildError) as caught:
        choose(EVERYTHING, suite="instal,vmm", shard="9/4", junit="/etc/passwd", retries="x")
    assert [line.partition(" ")[0] for line in caught.value.message.splitlines()] == [
        *("--suite", "--suite", "--shard", "--junit", "--retries"),
    ]
    assert caught.value.hint == "./inv --help test shows the options"


def test_a_quick_run_takes_suites_that_are_there() -> None:
    assert set(QUICK_ARGS) <= set(SUITES)
