"""How a deploy names the archive: as the keyring package does, byte for byte."""

from __future__ import annotations

import pytest

from consul_docker_host import keyring
from pyinfra_deploy import repository

URL = "https://packages.site.example/x/"


def test_the_channels_are_those_of_the_archive() -> None:
    assert repository.CHANNELS == keyring.CHANNELS


@pytest.mark.parametrize("channel", keyring.CHANNELS)
def test_what_a_deploy_writes_is_no_question_when_the_keyring_package_comes(channel: str) -> None:
    assert repository.source_file("deb", channel) == f"/{keyring.apt_source_path(channel)}"
    assert repository.source_text("deb", URL, channel) == keyring.apt_source(URL, channel)
    assert repository.source_file("rpm", channel) == f"/{keyring.yum_source_path(channel)}"
    assert repository.source_text("rpm", URL, channel) == keyring.yum_source(URL, channel)
    assert {"deb": f"/{keyring.APT_KEY}", "rpm": f"/{keyring.RPM_KEY}"} == repository.KEY_FILES


def test_testing_comes_on_top_of_stable() -> None:
    assert repository.channels("stable") == ("stable",)
    assert repository.channels("testing") == ("stable", "testing")
