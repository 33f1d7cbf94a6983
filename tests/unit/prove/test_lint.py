"""The linters: each is asked, and they see every script."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.prove import lint
from tests.unit.kit import walk


def test_every_linter_is_asked_and_one_complaint_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[list[str]] = []

    def follow(argv: Sequence[str], **_: object) -> int:
        followed.append(list(argv))
        return int(argv[0].endswith("/ruff"))

    monkeypatch.setattr(lint, "follow", follow)
    assert lint.lint(Workspace()) is False
    asked = " ".join(word for call in followed for word in call)
    assert all(name in asked for name in ("ruff check", "ruff format --check", "mypy", "shellcheck"))


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
