"""The linters: each is asked, and they see every script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.prove import lint


def test_every_linter_is_asked_and_one_complaint_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[list[str]] = []

    def follow(argv: Sequence[str], **_: object) -> int:
        followed.append(list(argv))
        return int(argv[0].endswith("/ruff"))

    monkeypatch.setattr(lint, "follow", follow)
    assert lint.lint(Workspace()) is False
    asked = " ".join(word for call in followed for word in call)
    assert all(name in asked for name in ("ruff check", "ruff format --check", "mypy", "shellcheck"))


def test_the_scripts_to_be_linted_are_found_by_their_first_line() -> None:
    found = {str(path.relative_to(ROOT)) for path in lint.shell_scripts(Workspace())}
    assert {"inv", "files/usr/bin/consul-docker-host", "packaging/scripts/deb/postinst"} <= found
    assert not [name for name in found if Path(name).suffix == ".py"]
