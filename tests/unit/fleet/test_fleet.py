"""A deploy's start: what is wrong is reported before a process runs, and how that ends is passed on."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from consul_docker_host import fleet
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace

OPTIONS: dict[str, Any] = {"limit": "a", "waves": "1,10%", "dry": True, "as_json": False}


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    path = tmp_path / "inventory.py"
    path.write_text("hosts = []\n")
    return str(path)


def ending_with(code: int, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Mapping[str, str]]]:
    """Let every process end with this code; return the argv and environment of each."""
    calls: list[tuple[list[str], Mapping[str, str]]] = []

    def follow(argv: Sequence[str], *, env: Mapping[str, str], **_: object) -> int:
        calls.append((list(argv), env))
        return code

    monkeypatch.setattr(fleet, "follow", follow)
    return calls


def test_the_process_gets_every_option_and_finds_the_builder_and_the_deploy(
    inventory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = ending_with(0, monkeypatch)
    fleet.start(Workspace(root=tmp_path), "deploy", inventory=inventory, **OPTIONS)
    ((argv, environment),) = calls
    assert argv[:3] == [sys.executable, "-m", "consul_docker_host.fleet"]
    asked = {"action": "deploy", "inventory": inventory, "limit": "a", "waves": "1,10%", "dry": True, "json": False}
    assert json.loads(argv[3]) == asked
    assert environment == {"PYTHONPATH": f"{tmp_path}/packaging:{tmp_path}"}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [({"inventory": ""}, "--inventory: is missing"), ({"inventory": "none.py"}, "--inventory none.py: no such file")],
)
def test_a_missing_inventory_starts_no_process(
    changed: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = ending_with(0, monkeypatch)
    with pytest.raises(BuildError, match=f"^{fault}"):
        fleet.start(Workspace(), "deploy", **{**OPTIONS, **changed})
    assert calls == []


def test_a_wrong_wave_is_reported_with_the_missing_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = ending_with(0, monkeypatch)
    with pytest.raises(BuildError, match=r"(?s)^--inventory none\.py: no such file.*\n--waves 5x: "):
        fleet.start(Workspace(), "deploy", inventory="none.py", **{**OPTIONS, "waves": "5x"})
    assert calls == []


def test_a_process_that_fails_is_an_error_and_one_that_was_stopped_stops_us(
    inventory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending_with(1, monkeypatch)
    with pytest.raises(BuildError, match="remove"):
        fleet.start(Workspace(), "remove", inventory=inventory, **OPTIONS)
    ending_with(130, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        fleet.start(Workspace(), "remove", inventory=inventory, **OPTIONS)
