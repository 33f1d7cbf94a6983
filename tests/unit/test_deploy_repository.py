"""How a deploy names the archive: as the keyring package does, byte for byte."""

from __future__ import annotations

import pytest

from consul_docker_host.package import archive_sources
from pyinfra_deploy import repository

URL = "https://packages.site.example/x/"


def test_the_channels_are_those_of_the_archive() -> None:
    assert repository.CHANNELS == archive_sources.CHANNELS


@pytest.mark.parametrize("channel", archive_sources.CHANNELS)
def test_what_a_deploy_writes_is_no_question_when_the_keyring_package_comes(channel: str) -> None:
    assert repository.source_file("deb", channel) == f"/{archive_sources.apt_source_path(channel)}"
    assert repository.source_text("deb", URL, channel) == archive_sources.apt_source(URL, channel)
    assert repository.source_file("rpm", channel) == f"/{archive_sources.yum_source_path(channel)}"
    assert repository.source_text("rpm", URL, channel) == archive_sources.yum_source(URL, channel)
    assert {"deb": f"/{archive_sources.APT_KEY}", "rpm": f"/{archive_sources.RPM_KEY}"} == repository.KEY_FILES


def test_testing_comes_on_top_of_stable() -> None:
    assert repository.channels("stable") == ("stable",)
    assert repository.channels("testing") == ("stable", "testing")
