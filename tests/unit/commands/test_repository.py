"""The tasks that publish: settings are loaded once and travel as a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.commands import repository
from consul_docker_host.core.errors import BuildError
from consul_docker_host.settings.model import Settings


def test_a_publication_gets_the_settings_that_the_file_overrides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my.toml").write_text('[repository]\nurl = "https://a.example"\n')
    calls: list[tuple[Settings, dict[str, object]]] = []
    monkeypatch.setattr(
        "consul_docker_host.repository.publish.publish_dist",
        lambda _, settings, **options: calls.append((settings, options)),
    )
    repository.publish_repository(
        channel="testing", key=str(tmp_path), settings=str(tmp_path / "my.toml"), with_consul=True
    )
    ((settings, options),) = calls
    assert settings.repository.url == "https://a.example"
    assert options == {"channel": "testing", "key": str(tmp_path), "with_consul": True}


def test_a_mistake_in_the_settings_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.toml").write_text("[dns]\nttl = 9\n")
    monkeypatch.setattr("consul_docker_host.repository.publish.publish_dist", lambda *_, **__: pytest.fail("published"))
    with pytest.raises(BuildError, match=r"my\.toml:2: dns\.ttl"):
        repository.publish_repository(settings=str(tmp_path / "my.toml"))


def test_mistakes_in_settings_and_options_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[dns]\nttl = 9\n")
    with pytest.raises(BuildError, match=r"(?s)my\.toml:2: dns\.ttl.*\n--channel nightly: .*\n--key /nowhere: "):
        repository.publish_repository(settings=str(tmp_path / "my.toml"), channel="nightly", key="/nowhere")


def test_every_wrong_option_of_a_package_of_consul_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"(?s)^--version 1: .*\n--hashicorp-key: .*\n--backend nope: "):
        repository.build_consul(version="1", backend="nope")
    with pytest.raises(BuildError, match=r"(?s)^--archive consul\.zip: .*\n--hashicorp-key: "):
        repository.build_consul(version="1.22.7", archive="consul.zip")


def test_a_key_needs_a_directory() -> None:
    with pytest.raises(BuildError, match=r"^--folder: "):
        repository.make_repository_key()


def test_consul_needs_a_version() -> None:
    with pytest.raises(BuildError, match=r"^--version : "):
        repository.build_consul()
