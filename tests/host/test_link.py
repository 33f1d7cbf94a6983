"""The interface with its address is made where nobody else makes it, and only what we made goes again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.host.conftest import FakeHost, needs_root

LINK = "usr/lib/consul-docker-host/link"
NETNS = f"cdh-link-{os.getpid()}"  # apart from other workers


@pytest.fixture
def netns() -> Iterator[str]:
    subprocess.run(["ip", "netns", "delete", NETNS], check=False, capture_output=True)
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    yield NETNS
    subprocess.run(["ip", "netns", "delete", NETNS], check=True)


def addresses(netns: str) -> str:
    argv = ["ip", "-n", netns, "-4", "-o", "address", "show", "dev", "dummy0"]
    return subprocess.run(argv, check=False, capture_output=True, text=True).stdout


@needs_root
def test_up_makes_interface_and_address_once(host: FakeHost, netns: str) -> None:
    host.call(LINK, "check", netns=netns, code=1)
    host.call(LINK, "up", netns=netns)
    host.call(LINK, "up", netns=netns)
    assert addresses(netns).count("169.254.1.1/32") == 1
    host.call(LINK, "check", netns=netns)


@needs_root
@pytest.mark.parametrize(
    "harm", [["link", "delete", "dummy0"], ["address", "flush", "dev", "dummy0"], ["link", "set", "dummy0", "down"]]
)
def test_heal_puts_back_what_was_taken_and_is_silent_otherwise(host: FakeHost, netns: str, harm: list[str]) -> None:
    host.call(LINK, "up", netns=netns)
    assert host.call(LINK, "heal", netns=netns).stdout == ""
    subprocess.run(["ip", "-n", netns, *harm], check=True)
    assert "was restored" in host.call(LINK, "heal", netns=netns).stdout
    host.call(LINK, "check", netns=netns)


@needs_root
def test_down_takes_what_we_made(host: FakeHost, netns: str) -> None:
    host.call(LINK, "up", netns=netns)
    host.call(LINK, "down", netns=netns)
    assert subprocess.run(["ip", "-n", netns, "link", "show", "dummy0"], check=False, capture_output=True).returncode


@needs_root
def test_an_interface_of_the_administrator_stays_without_our_address(host: FakeHost, netns: str) -> None:
    subprocess.run(["ip", "-n", netns, "link", "add", "dummy0", "type", "bridge"], check=True)
    subprocess.run(["ip", "-n", netns, "address", "add", "10.9.9.9/32", "dev", "dummy0"], check=True)
    host.call(LINK, "up", netns=netns)
    host.call(LINK, "down", netns=netns)
    assert "10.9.9.9/32" in addresses(netns)
    assert "169.254.1.1" not in addresses(netns)
