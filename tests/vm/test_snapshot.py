"""Story: what a snapshot hides is given to whoever resumes it: the time, random numbers, a lease.

Two machines are resumed from one snapshot, each in a network of its own that has not given a lease before.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines.guest import Guest
from tests.support.machines.hosts import ifupdown
from tests.support.machines.lan import Lan, running_lan
from tests.support.machines.snapshot import Scene, renew, resumed
from tests.vm.conftest import Bed, boot

pytestmark = pytest.mark.timeout(1200)  # the first test of a file waits for its machines
NUMBER = 4
HALT_SECONDS = 5.0
EXACT_SECONDS = 2.0
# The kernel's own numbers, and what programs make of them: keys of a kind that TLS and ssh have.
RANDOM = {
    "the kernel's bytes": "head -c 32 /dev/urandom | sha256sum",
    "a UUID": "cat /proc/sys/kernel/random/uuid",
    "a key": "openssl genpkey -algorithm ed25519 | sha256sum",
}


@dataclass(frozen=True, slots=True)
class Twin:
    """A machine of the two, and its network."""

    guest: Guest
    lan: Lan


@pytest.fixture(scope="module")
def twins(bed: Bed) -> Iterator[tuple[Twin, Twin]]:
    plan = bed.plan(
        "leased", NUMBER, distribution="debian-12", uplink=ifupdown(NUMBER, is_dhcp=True), has_package=False
    )
    (one,) = bed.resumed("leased", plan)
    scene = Scene(name="leased", plans=(plan,), settle=boot)
    with (
        tempfile.TemporaryDirectory(prefix="vm-", dir="/tmp") as name,
        running_lan(Path(name)) as lan,
        resumed(scene, lan, Path(name)) as (other,),
    ):
        yield Twin(one, bed.lan), Twin(other, lan)


def test_both_are_the_same_boot_of_one_machine(twins: tuple[Twin, Twin]) -> None:
    """Who asks for another machine id, or another boot, has to boot one: these stay hidden."""
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        one, other = (twin.guest.output(f"cat {path}") for twin in twins)
        assert (one, len(one) >= 32) == (other, True)
    assert [twin.guest.failed_units() for twin in twins] == ["", ""]


def test_the_clock_is_this_machine_s(twins: tuple[Twin, Twin]) -> None:
    guest = twins[0].guest
    assert_exact(guest)
    guest.monitor.stop()
    time.sleep(HALT_SECONDS)
    guest.monitor.go_on()
    ahead, error = guest.clock_ahead()
    assert ahead <= error + EXACT_SECONDS - HALT_SECONDS, "its time did not stand still"
    renew(guest)
    assert_exact(guest)


def assert_exact(guest: Guest) -> None:
    ahead, error = guest.clock_ahead()
    assert abs(ahead) <= EXACT_SECONDS + error


@pytest.mark.parametrize("line", RANDOM.values(), ids=RANDOM.keys())
def test_no_random_number_is_drawn_twice(twins: tuple[Twin, Twin], line: str) -> None:
    one, other = (twin.guest.output(line) for twin in twins)
    assert one != other


def test_each_has_asked_its_network_for_the_lease(twins: tuple[Twin, Twin]) -> None:
    for twin in twins:
        assert twin.lan.leases_given > 0
        assert f" {twin.guest.address}/24 " in twin.guest.output("ip -4 -o address show dev eth0")
        assert twin.guest.output("pgrep -c dhclient") == "1"
        ends = twin.guest.output(
            "sed -n 's/.*expire [0-6] \\(.*\\);/\\1/p' /var/lib/dhcp/dhclient.eth0.leases | tail -n 1"
        )
        assert int(twin.guest.output(f"date --utc --date='{ends}' +%s")) > time.time()
