"""The tasks that judge: what each suite needs comes first, and one failure keeps none from running."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from consul_docker_host.commands import test as commands
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove import suites


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what a task does, step by step."""
    found: list[Any] = []

    def run_suites(
        names: tuple[str, ...], *, first: Mapping[str, Callable[[], bool]] | None = None, **options: object
    ) -> None:
        found.append(("run", names, {name: step() for name, step in (first or {}).items()}, options))

    monkeypatch.setattr(suites, "prepare", lambda _, needs: found.append(("prepare", tuple(needs))))
    monkeypatch.setattr(suites, "run_suites", run_suites)
    monkeypatch.setattr(commands, "build_all", lambda: found.append("build"))
    return found


def test_a_suite_that_takes_packages_is_run_on_what_was_built(steps: list[Any]) -> None:
    commands.run_vm_tests(long=True, args="-x")
    assert steps == [("prepare", ("vm",)), "build", ("run", ("vm",), {}, {"long": True, "args": "-x"})]


def test_a_suite_that_takes_none_builds_nothing(steps: list[Any]) -> None:
    commands.run_unit_tests()
    assert steps == [("prepare", ("unit",)), ("run", ("unit",), {}, {"long": False, "args": ""})]


def test_a_distribution_and_a_story_are_checked_before_anything_is_installed(steps: list[Any]) -> None:
    with pytest.raises(BuildError, match="--distro debian-99"):
        commands.run_install_tests(distro="debian-99")
    assert steps == []


def test_all_tests_run_even_where_lint_and_verify_fail(
    steps: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BuildError("lintian: refused")

    monkeypatch.setattr(commands, "verify", refuse)
    monkeypatch.setattr("consul_docker_host.prove.lint.lint", lambda _: False)
    commands.run_all_tests()
    assert steps[-1][1:3] == (suites.ALL, {"lint": False, "verify": False})
    assert "lintian: refused" in capsys.readouterr().out


def test_every_judge_is_asked_about_both_backends_packages(steps: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Workspace, list[str]]] = []
    monkeypatch.setattr(
        "consul_docker_host.verify.packages.verify",
        lambda work, _, *, builders: asked.append((work, list(builders))),
    )
    named = {name: type("Named", (), {"name": name, "build": None}) for name in ("nfpm", "fpm")}
    monkeypatch.setattr(
        "consul_docker_host.backends.choose_backend", lambda name: type("Choice", (), {"backend": named[name]})
    )
    commands.verify()
    assert asked == [(Workspace(), ["nfpm", "fpm"])]
    assert steps == [("prepare", ("verify",))]


def test_the_linters_are_a_step_of_their_own(steps: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consul_docker_host.prove.lint.lint", lambda _: True)
    commands.lint()
    assert steps == [("run", (), {"lint": True}, {})]
