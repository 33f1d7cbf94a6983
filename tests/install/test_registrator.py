"""Story: of each kind of container Registrator, real or not, tells Consul what fayrus/registrator v9.2.0 told.

What the tests of booted machines show with the stand-in holds for the real one as far as this story goes; with
--registrator PATH it is run with that one, which is how the expectations were found.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs.registrator import World, running_world
from tests.support.speed import scaled

pytestmark = pytest.mark.short_form_on("debian-13")

HOSTNAME = Path("/proc/sys/kernel/hostname").read_text(encoding="ascii").strip()
ADDRESS = "10.1.2.3"
PUBLISHED: dict[str, list[dict[str, str]] | None] = {"80/tcp": [{"HostPort": "32768"}]}
TWO = {**PUBLISHED, "443/tcp": [{"HostPort": "32769"}]}
UDP = {"53/udp": [{"HostPort": "32770"}]}


def container(
    *environment: str,
    ports: dict[str, Any] = PUBLISHED,
    network: str = "bridge",
    exposed: tuple[str, ...] = (),
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return what Docker tells of a container named `web`."""
    number = b"web".hex() * 8
    return {
        "Id": number,
        "Name": "/web",
        "Config": {
            "Image": "registry.example:5000/site/nginx:1.2",
            "Env": list(environment),
            "Labels": labels or {},
            "ExposedPorts": {port: {} for port in (*ports, *exposed)},
            "Hostname": "web",
        },
        "State": {"Running": True},
        "HostConfig": {"NetworkMode": network},
        "NetworkSettings": {
            "Ports": ports,
            "IPAddress": "172.17.0.2",
            "Networks": {network: {"IPAddress": "172.17.0.2"}},
        },
    }


def service(name: str, port: int = 32768, *, identity: str = "web:80", **more: object) -> dict[str, Any]:
    """Return what Consul is told; ``more`` are tags, meta and check where there are any."""
    return {"ID": f"{HOSTNAME}:{identity}", "Name": name, "Address": ADDRESS, "Port": port, **more}


# By what is special about it: the container, and the services that it becomes.
KINDS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "named by its image": (container(), [service("nginx")]),
    "named": (container("SERVICE_NAME=site"), [service("site")]),
    "in a network of users": (container(network="own"), [service("nginx")]),
    "with the host's network": (
        container("SERVICE_80_NAME=site", ports={}, network="host", exposed=("80/tcp",)),
        [service("site", 80)],
    ),
    "without a network": (container(ports={}, network="none", exposed=("80/tcp",)), [service("nginx", 80)]),
    "not published": (container(ports={"80/tcp": None}), []),
    "two ports": (
        container("SERVICE_NAME=site", ports=TWO),
        [service("site-80"), service("site-443", 32769, identity="web:443")],
    ),
    "two ports, one named": (
        container("SERVICE_443_NAME=tls", ports=TWO),
        [service("nginx-80"), service("tls", 32769, identity="web:443")],
    ),
    "two ports, one ignored": (container("SERVICE_443_IGNORE=1", ports=TWO), [service("nginx-80")]),
    "ignored": (container("SERVICE_IGNORE=1"), []),
    "of UDP": (container(ports=UDP), [service("nginx", 32770, identity="web:53:udp", Tags=["udp"])]),
    "named for a protocol": (container("SERVICE_80_UDP_NAME=no", "SERVICE_80_TCP_NAME=yes"), [service("yes")]),
    "tagged": (container("SERVICE_TAGS=a,b"), [service("nginx", Tags=["a", "b"])]),
    "described": (
        container("SERVICE_REGION=eu", "SERVICE_80_Zone=x", labels={"SERVICE_TIER": "front"}),
        [service("nginx", Meta={"region": "eu", "tier": "front", "zone": "x"})],
    ),
    "with an ID": (container("SERVICE_ID=own"), [service("nginx") | {"ID": "own"}]),
    "checked by HTTP": (
        container("SERVICE_CHECK_HTTP=/health", "SERVICE_CHECK_TIMEOUT=1s"),
        [
            service(
                "nginx",
                Meta={"check_http": "/health", "check_timeout": "1s"},
                Check={"HTTP": f"http://{ADDRESS}:32768/health", "Interval": "10s", "Timeout": "1s"},
            )
        ],
    ),
    "checked by TCP": (
        container("SERVICE_CHECK_TCP=1", "SERVICE_CHECK_INTERVAL=3s", "SERVICE_CHECK_INITIAL_STATUS=passing"),
        [
            service(
                "nginx",
                Meta={"check_tcp": "1", "check_interval": "3s", "check_initial_status": "passing"},
                Check={"TCP": f"{ADDRESS}:32768", "Interval": "3s", "Status": "passing"},
            )
        ],
    ),
    "checked by itself": (
        container("SERVICE_CHECK_TTL=30s"),
        [service("nginx", Meta={"check_ttl": "30s"}, Check={"TTL": "30s"})],
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Registrator at work in a world of its own."""

    world: World
    process: subprocess.Popen[bytes]

    def wait_until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Wait until something holds."""
        end = time.monotonic() + scaled(seconds)
        while not condition():
            assert time.monotonic() < end, self.world.services
            time.sleep(0.02)


@pytest.fixture
def running(registrator: Path, tmp_path: Path) -> Iterator[Running]:
    """Give Registrator, started where an earlier one left a ghost and others have services of their own."""
    world = World()
    for identity in (f"{HOSTNAME}:ghost:80", f"{HOSTNAME}:own", "other:ghost:80"):
        world.services[identity] = {"ID": identity, "Name": "ghost"}
    with running_world(world, tmp_path) as (socket, consul), (tmp_path / "log").open("wb") as log:
        options = ["-ip", ADDRESS, "-cleanup", "-resync", "1", "-retry-attempts", "-1", "-deregister", "always"]
        process = subprocess.Popen(
            [str(registrator), *options, f"consul://{consul}"], env={"DOCKER_HOST": f"unix://{socket}"}, stderr=log
        )
        try:
            started = Running(world=world, process=process)
            started.wait_until(lambda: f"{HOSTNAME}:ghost:80" not in world.services)
            yield started
        finally:
            process.kill()
            process.wait(timeout=10)


def told(world: World) -> list[dict[str, Any]]:
    """Return what was registered, without what says nothing."""
    found = []
    for one in world.services.values():
        kept = {key: one.get(key) for key in ("ID", "Name", "Address", "Port", "Tags", "Meta", "Check")}
        if kept["Check"]:
            kept["Check"] = {key: value for key, value in kept["Check"].items() if value}
        kept["Tags"] = sorted(kept["Tags"] or [])
        if "Address" in one:
            found.append({key: value for key, value in kept.items() if value})
    return sorted(found, key=lambda one: str(one["ID"]))


def start(running: Running, one: dict[str, Any]) -> None:
    running.world.containers[one["Id"]] = one
    running.world.events.put({"status": "start", "id": one["Id"], "Action": "start"})


@pytest.mark.parametrize(("one", "expected"), KINDS.values(), ids=KINDS.keys())
def test_a_container_becomes_its_services(
    running: Running, one: dict[str, Any], expected: list[dict[str, Any]]
) -> None:
    start(running, one)
    if expected:
        running.wait_until(lambda: len(told(running.world)) >= len(expected))
    else:
        time.sleep(scaled(1.5))
    assert told(running.world) == sorted(expected, key=lambda service: str(service["ID"]))
    del running.world.containers[one["Id"]]
    running.world.events.put({"status": "die", "id": one["Id"], "Action": "die"})
    running.wait_until(lambda: told(running.world) == [])


def test_what_others_registered_stays(running: Running) -> None:
    assert sorted(running.world.services) == sorted([f"{HOSTNAME}:own", "other:ghost:80"])


def test_a_lost_event_is_made_good_at_the_next_comparison(running: Running) -> None:
    one = container()
    running.world.containers[one["Id"]] = one
    running.wait_until(lambda: told(running.world) != [])
    running.world.services.pop(f"{HOSTNAME}:web:80")
    running.wait_until(lambda: told(running.world) != [])
    del running.world.containers[one["Id"]]
    running.wait_until(lambda: told(running.world) == [])


def test_it_ends_when_docker_does(running: Running) -> None:
    running.world.events.put(None)
    # The real one asks again a few times before it gives up, with growing pauses.
    for _ in range(20):
        running.world.events.put(None)
    assert running.process.wait(timeout=30) == 1
