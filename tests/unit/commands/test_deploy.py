"""The tasks that deploy: one word decides what is done, and every option reaches the fleet."""

from __future__ import annotations

from typing import Any

import pytest

from consul_docker_host import fleet
from consul_docker_host.commands import deploy


@pytest.mark.parametrize(("task", "action"), [(deploy.deploy, "deploy"), (deploy.deploy_remove, "remove")])
def test_every_option_reaches_the_fleet(monkeypatch: pytest.MonkeyPatch, task: Any, action: str) -> None:
    calls: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(fleet, "start", lambda _, action, **options: calls.append((action, options)))
    task(inventory="a.py", limit="b", waves="2", dry=True, json=True)
    options = {"inventory": "a.py", "limit": "b", "waves": "2", "dry": True, "as_json": True}
    assert calls == [(action, options)]
