"""The linters: each is asked, and they see every script."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from consul_docker_host.core.run import Result
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.prove import lint


def test_every_linter_is_asked_and_each_complaint_is_returned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def run(argv: Sequence[str], **_: object) -> Result:
        asked.append(list(argv))
        is_refused = argv[0].endswith("/ruff")
        return Result(argv=tuple(argv), returncode=int(is_refused), stdout="E501" if is_refused else "", stderr="")

    monkeypatch.setattr(lint, "run", run)
    monkeypatch.setattr(lint, "shell_scripts", lambda _: [ROOT / "inv"])
    monkeypatch.setattr(lint, "style_faults", lambda _: ["1: too wide"])
    complaints = lint.lint(Workspace())
    assert complaints == {
        "ruff check": "E501",
        "ruff format": "E501",
        "mypy": "",
        "shellcheck": "",
        "shfmt": "inv:1: too wide",
    }
    words = " ".join(word for call in asked for word in call)
    assert all(name in words for name in ("ruff check", "ruff format --check", "mypy", "shellcheck"))
    assert "E501" in capsys.readouterr().out


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
