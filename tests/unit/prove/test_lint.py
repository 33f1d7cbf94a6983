"""The linters: each is asked, and they see every script."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from consul_docker_host.core.run import Result
from consul_docker_host.core.workspace import ROOT, Workspace, cache_path
from consul_docker_host.prove import lint
from tests.unit.kit import walk


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the commands of the linters, of which `ruff format` alone complains."""
    commands: list[str] = []

    def ask(argv: Sequence[str], _: Workspace) -> Result:
        commands.append(" ".join(argv))
        is_wrong = argv[1] == "format"
        return Result(argv=tuple(argv), returncode=int(is_wrong), stdout="would reformat\n" * is_wrong, stderr="")

    monkeypatch.setattr(lint, "ask", ask)
    return commands


def test_every_linter_is_asked_and_each_complaint_is_returned(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lint, "shell_scripts", lambda _: [ROOT / "inv"])
    monkeypatch.setattr(lint, "style_faults", lambda _: ["1: too wide"])
    complaints = lint.lint(Workspace())
    assert complaints == {
        "mypy": "",
        "shellcheck": "",
        "ruff check": "",
        "ruff format": "would reformat",
        "shfmt": "inv:1: too wide",
    }
    text = "\n".join(asked)
    assert all(name in text for name in ("ruff check", "ruff format --check", "mypy", "shellcheck"))
    assert capsys.readouterr().out.splitlines()[-2:] == ["would reformat", "inv:1: too wide"]


def test_the_linters_remember_in_the_user_s_cache_and_not_in_the_checkout(asked: list[str]) -> None:
    """A fresh clone of a pipeline starts warm; another lock has other versions of them."""
    lint.lint(Workspace())
    remembering = [command for command in asked if "shellcheck" not in command]
    assert len(remembering) == 3
    assert all(f"--cache-dir {cache_path()}/" in command for command in remembering)


@pytest.mark.parametrize("reader", ["ruff", "mypy"])
def test_every_module_of_the_project_is_read(reader: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    paths = lint.LINTED if reader == "ruff" else settings["tool"]["mypy"]["files"]
    modules = [path for path in walk(ROOT) if path.suffix == ".py" and is_ours(path)]
    assert len(modules) > 300
    unread = [path for path in modules if not any(path.is_relative_to(ROOT / name) for name in paths)]
    assert unread == []


def is_ours(path: Path) -> bool:
    """Return whether a file is part of the project, and not an environment or an output."""
    top = path.relative_to(ROOT).parts[0]
    return not top.startswith(".") and top not in {"build", "dist"}


def test_the_scripts_to_be_linted_are_found_by_their_first_line() -> None:
    found = {str(path.relative_to(ROOT)) for path in lint.shell_scripts(Workspace())}
    assert {"inv", "files/usr/bin/consul-docker-host", "packaging/scripts/deb/postinst"} <= found
    assert not [name for name in found if Path(name).suffix == ".py"]


def test_without_git_the_same_scripts_are_found(tmp_path: Path) -> None:
    with_git = {str(path.relative_to(ROOT)) for path in lint.shell_scripts(Workspace())}
    for name in ("files", "packaging", "pyinfra_deploy", "inv", ".ci", ".gitignore"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "script").write_text("#!/bin/sh\n")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "script").write_text("#!/bin/sh\n")
    found = {str(path.relative_to(tmp_path)) for path in lint.shell_scripts(Workspace(root=tmp_path))}
    assert found == {name for name in with_git if not name.startswith("tests/")}
