"""The tasks that judge: what each suite needs comes first, and one failure keeps none from running."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from consul_docker_host.commands import test as commands
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove import cache, repeat, suites, times
from consul_docker_host.prove.choices import Choice
from consul_docker_host.prove.shards import Shard


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what a task does, step by step."""
    found: list[Any] = []

    def run_suites(
        names: tuple[str, ...],
        *,
        steps: Mapping[str, suites.Step],
        choice: Choice,
        args: Mapping[str, str] | None,
    ) -> None:
        errors = {name: steps[name]() for name in names if name in steps}
        found.append(("run", names, errors, choice, dict(args or {})))

    monkeypatch.setattr(suites, "prepare", lambda _, needs: found.append(("prepare", tuple(needs))))
    monkeypatch.setattr(suites, "run_suites", run_suites)
    monkeypatch.setattr(commands, "build_all", lambda: found.append("build"))
    monkeypatch.setattr("consul_docker_host.prove.lint.lint", lambda _: {"mypy": "refused"})
    monkeypatch.setattr(commands, "verify", lambda: None)
    return found


def test_a_suite_that_takes_packages_is_run_on_what_was_built(done: list[Any]) -> None:
    commands.run_vm_tests(long=True, keep=True, args="-x")
    choice = Choice(is_long=True, is_kept=True)
    assert done == [("prepare", ("vm",)), "build", ("run", ("vm",), {}, choice, {"vm": "-x"})]


def test_a_suite_that_takes_none_builds_nothing(done: list[Any]) -> None:
    commands.run_unit_tests()
    assert done == [("prepare", ("unit",)), ("run", ("unit",), {}, Choice(), {"unit": ""})]


def test_a_distribution_and_a_story_are_checked_before_anything_is_installed(done: list[Any]) -> None:
    with pytest.raises(BuildError, match="--distro debian-99"):
        commands.run_install_tests(distro="debian-99")
    assert done == []


def test_all_tests_run_even_where_lint_and_verify_fail(
    done: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise BuildError("lintian: refused")

    monkeypatch.setattr(commands, "verify", refuse)
    commands.run_all_tests()
    errors = {"lint": {"mypy": "refused"}, "verify": {"verify": "lintian: refused"}}
    assert done == [("prepare", suites.EVERYTHING), "build", ("run", suites.EVERYTHING, errors, Choice(), {})]
    assert "lintian: refused" in capsys.readouterr().out


def test_a_mistake_in_the_options_comes_before_anything_is_installed(done: list[Any]) -> None:
    with pytest.raises(BuildError, match=r"^--suite vmm: .*\n--retries x: "):
        commands.run_all_tests(suite="vmm", retries="x")
    assert done == []


def test_chosen_suites_alone_are_prepared_and_run(done: list[Any], tmp_path: Path) -> None:
    commands.run_all_tests(suite="unit,lint", junit=str(tmp_path), retries="1")
    assert done[0] == ("prepare", ("lint", "unit"))
    assert done[1][1:] == (("lint", "unit"), {"lint": {"mypy": "refused"}}, Choice(junit=tmp_path, retries=1), {})


def test_a_quick_run_installs_one_host(done: list[Any]) -> None:
    commands.run_all_tests(quick=True)
    assert done[0] == ("prepare", ("lint", "unit", "package", "install"))
    (_, names, errors, choice, args) = done[2]
    assert (names, list(errors), choice.is_quick) == (("lint", "unit", "package", "install"), ["lint"], True)
    assert args["install"].startswith("tests/install/test_host.py ")


def test_a_shard_prepares_its_own_suites_alone(done: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    prepared: list[str] = []
    for number in (1, 2, 3, 4):
        done.clear()
        commands.run_all_tests(shard=f"{number}/4")
        assert f"== shard {number}/4: {', '.join(done[0][1])}" in capsys.readouterr().out
        assert done[0][1] != suites.EVERYTHING
        assert done[-1][3].shard == Shard(number=number, count=4)
        prepared += done[0][1]
    assert set(prepared) == set(suites.EVERYTHING)


def test_every_judge_is_asked_about_both_backends_packages(done: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    asked: list[Any] = []
    monkeypatch.setattr(suites, "prepare", lambda _, needs: asked.append(("prepare", tuple(needs))))
    monkeypatch.setattr(
        "consul_docker_host.verify.packages.verify",
        lambda work, _, *, builders: asked.append((work, list(builders))),
    )
    named = {name: type("Named", (), {"name": name, "build": None}) for name in ("nfpm", "fpm")}
    monkeypatch.setattr(
        "consul_docker_host.backends.choose_backend", lambda name: type("Choice", (), {"backend": named[name]})
    )
    commands.verify()
    assert asked == [("prepare", ("verify",)), (Workspace(), ["nfpm", "fpm"])]


def test_the_linters_are_a_step_of_their_own(done: list[Any]) -> None:
    commands.lint()
    assert done == [("prepare", ("lint",)), ("run", ("lint",), {"lint": {"mypy": "refused"}}, Choice(), {})]


def test_a_story_is_repeated_on_what_was_built(done: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat, "repeat", lambda _, wanted: done.append((wanted.story, wanted.times, wanted.load)))
    commands.repeat_test("tests/vm/test_boot.py", times="5", load="2")
    assert done == [("prepare", ("vm",)), "build", ("tests/vm/test_boot.py", 5, 2)]


def test_times_are_written_for_every_suite(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(times, "rewrite_times", lambda _, names: names)
    commands.write_times()
    assert capsys.readouterr().out == f"tests/times.toml: {', '.join(suites.EVERYTHING)}\n"


def test_the_cache_is_listed_unless_it_is_to_be_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(cache, "show", lambda _, *, prune: asked.append(prune))
    commands.show_cache()
    commands.show_cache(prune=True)
    assert asked == [False, True]
