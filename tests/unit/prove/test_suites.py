"""Suites as the tasks run them: every one runs, and one that fails makes the whole fail."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from consul_docker_host.core import programs
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.prove import suites, system_packages


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return what would have been run; commands that hold "install" or "ruff" fail."""
    calls: list[list[str]] = []

    def follow(argv: Sequence[str], **_: object) -> int:
        calls.append(list(argv))
        return int(any("tests/install" in word or word.endswith("/ruff") for word in argv))

    monkeypatch.setattr(suites, "follow", follow)
    monkeypatch.setattr(suites, "prepare", lambda *_: None)
    return calls


def test_every_suite_s_folder_is_there() -> None:
    for suite in suites.SUITES.values():
        for folder in suite.folders:
            assert (ROOT / "tests" / folder).is_dir(), f"tests/{folder}"


def test_all_suites_run_even_when_one_fails(followed: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BuildError, match=r"^failed: install\n  one alone: \./inv test\.install"):
        suites.run_suites(("install", "unit"))
    assert ["tests/install" in call for call in followed] == [True, False]
    assert "tests/unit" in followed[1]
    assert capsys.readouterr().out.splitlines()[-1].startswith("== install 0 s, unit 0 s")


def test_a_first_step_that_fails_fails_the_run_and_the_suites_run_nevertheless(followed: list[list[str]]) -> None:
    with pytest.raises(BuildError, match=r"^failed: lint\n  one alone: \./inv lint"):
        suites.run_suites(("unit",), first={"lint": lambda: False})
    assert "pytest" in followed[-1]


def test_options_reach_pytest_word_by_word(followed: list[list[str]]) -> None:
    suites.run_suites(("unit",), long=True, args="-k 'a b' -x")
    assert followed[0][-3:] == ["-k", "a b", "-x"]
    assert "--long" in followed[0]


def test_a_step_before_the_suites_that_fails_is_named_and_nothing_is_left_out(followed: list[list[str]]) -> None:
    with pytest.raises(BuildError, match=r"^failed: verify\n  one alone: \./inv verify"):
        suites.run_suites(("unit",), first={"verify": lambda: False})
    assert "tests/unit" in followed[0]


def test_a_suite_gets_its_own_system_packages_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        system_packages, "ensure_packages", lambda packages: asked.append(tuple(one.name for one in packages))
    )
    installed: list[str] = []
    monkeypatch.setattr(programs, "find_fpm", lambda: None)
    monkeypatch.setattr(programs, "install_fpm", lambda: installed.append("fpm"))
    suites.prepare(Workspace(), ("install",))
    assert installed == ["fpm"]
    assert {"docker.io", "ruby", "rpm"} <= set(asked[0])
    assert "lintian" not in asked[0]
    suites.prepare(Workspace(), ())
    assert (asked[1], installed) == ((), ["fpm"])


def test_a_story_and_a_distribution_are_options_of_pytest() -> None:
    given = suites.story_options(Workspace(root=ROOT), distro="debian-13", story="upgrade")
    assert given == "--distro=debian-13 --story=upgrade"
    assert suites.story_options(Workspace(root=ROOT), distro="", story="") == ""


@pytest.mark.parametrize(
    ("distro", "story", "fault", "known"),
    [
        ("debian-99", "", "--distro debian-99: no such distribution", "debian-13"),
        ("", "upgarde", "--story upgarde: matches no story", "upgrade"),
    ],
)
def test_what_nobody_knows_is_told_with_what_is_known(distro: str, story: str, fault: str, known: str) -> None:
    with pytest.raises(BuildError, match=f"^{fault}") as caught:
        suites.story_options(Workspace(root=ROOT), distro=distro, story=story)
    assert known in str(caught.value)


@pytest.mark.parametrize(("name", "expected"), [("unit", ("3", "worksteal")), ("install", ("2", "loadgroup"))])
def test_independent_tests_fill_the_time_in_which_others_wait_and_those_of_a_story_stay_together(
    followed: list[list[str]], monkeypatch: pytest.MonkeyPatch, name: str, expected: tuple[str, str]
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    run = suites.run_suite(Workspace(), suites.SUITES[name], long=False, args="")
    assert run is (name != "install"), "the fake fails every command of the install suite"
    (call,) = followed
    assert (call[call.index("-n") + 1], call[call.index("--dist") + 1]) == expected
