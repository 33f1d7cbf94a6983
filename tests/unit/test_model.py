"""The model of the settings: what it must never hold, and what is derived from it."""

from __future__ import annotations

import pytest

from consul_docker_host.model import Dns, Settings
from consul_docker_host.settings import load_settings
from tests.unit.kit import DEFAULTS, model_keys


def test_no_setting_holds_a_secret_itself() -> None:
    words = ("secret", "password", "token", "encrypt", "gossip", "credential", "key")
    suspects = [key for key in model_keys(Settings) if any(word in key.rpartition(".")[2] for word in words)]
    assert {key for key in suspects if not key.endswith("_file")} == set()
    assert "consul.gossip_key_file" in suspects


def test_reverse_zones_are_split_at_whole_octets() -> None:
    dns = Dns(ttl=1, cache_size=0, upstreams=(), reverse_zones=("10.0.0.0/8", "172.16.0.0/15", "192.0.2.7/32"))
    assert dns.reverse_domains == (
        "10.in-addr.arpa",
        "16.172.in-addr.arpa",
        "17.172.in-addr.arpa",
        "7.2.0.192.in-addr.arpa",
    )


def test_the_settings_cannot_be_changed_after_loading() -> None:
    settings = load_settings(DEFAULTS)
    with pytest.raises(ValueError, match="frozen"):
        settings.dns.ttl = 2
