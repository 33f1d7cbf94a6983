"""The model of the settings: what it must never hold, and what is derived from it."""

from __future__ import annotations

import pytest

from consul_docker_host.settings.load import load_settings
from consul_docker_host.settings.model import Check, Dns, Settings
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


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:8080/health?full=1&x=%20#top", "https://[::1]/~a;b=c,d!"])
def test_a_check_asks_any_address_of_the_web(url: str) -> None:
    assert Check(http=url, ttl="" if url else "9s").http == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a",
        "http://",
        "http://a b",
        'http://a"',
        "http://a'",
        "http://a\\",
        "http://a\x80",
        "http://\ufeffa",
        "http://a\n",
    ],
)
def test_an_address_that_no_file_could_hold_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not an http or https address"):
        Check(http=url)
