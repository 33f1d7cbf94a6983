"""The choice of a backend: told with its reason, never guessed, nothing installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.backends import CHOICES, choose_backend
from consul_docker_host.core.errors import BuildError
from tests.unit.kit import fake_program, path_with


@pytest.fixture
def _without_fpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("consul_docker_host.core.run.SYSTEM_PATH", str(tmp_path))


def test_an_unknown_backend_is_told_with_the_known_ones() -> None:
    with pytest.raises(BuildError) as caught:
        choose_backend("fmp")
    assert str(caught.value) == f"--backend fmp: unknown backend\n  use {', '.join(CHOICES)}"


@pytest.mark.usefixtures("_without_fpm")
def test_fpm_that_is_asked_for_and_missing_is_told_with_the_remedy() -> None:
    with pytest.raises(BuildError) as caught:
        choose_backend("fpm")
    assert str(caught.value) == "fpm is neither on the PATH nor in the cache\n  ./inv setup.fpm installs it"


@pytest.mark.usefixtures("_without_fpm")
def test_without_fpm_auto_is_nfpm_and_says_why() -> None:
    choice = choose_backend("auto")
    assert choice.backend.name == "nfpm"
    assert "fpm is not installed" in choice.reason


def test_an_fpm_that_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fake_program(tmp_path / "bin", "fpm", "")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    choice = choose_backend("auto")
    assert (choice.backend.name, choice.reason) == ("fpm", f"found at {program}")
    assert choose_backend("nfpm").backend.name == "nfpm"
