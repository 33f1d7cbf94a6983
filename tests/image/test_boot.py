"""Story: two machines boot one image: each becomes itself, and both are the article's cluster.

The client loses its power in the middle of its first boot. What is told of it is told by the boot after that.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.image.kit import OFF, Booted, Made, assert_clean, new_machine
from tests.support.machines.lan import Lan, address_of, mac_of, running_lan

pytestmark = [pytest.mark.timeout(1800), pytest.mark.sequence]  # the first test waits for the machines

ADDRESS = "169.254.1.1"
# What the console shows when disks are mounted, units start, and cloud-init has begun to make the machine itself.
IN_THE_MIDDLE = "containerd container runtime"
RUN = "docker run --rm --volume /usr:/usr:ro $(consul-docker-host env --docker) tools:latest"
# On the server: a container that publishes a port. On the client: a container that finds it by name.
SERVES = """
docker image inspect tools:latest >/dev/null || echo 'preloaded: no'
docker run --detach --restart=always --name web --publish 8080:80 --volume /usr:/usr:ro \
    --env SERVICE_NAME=webservice tools:latest python3 -m http.server 80 --directory /www >/dev/null
echo "preload: $(ls /var/lib/consul-docker-host/preload 2>/dev/null | wc -l) left"
"""
FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"
ASKS = f"""
end=$(($(date +%s) + 200))
until {RUN} getent hosts webservice.service.consul >/run/found || [ "$(date +%s)" -ge "$end" ]; do sleep 3; done
echo "found: $(awk '{{ print $1; exit }}' /run/found)"
echo "answer: $({RUN} python3 -c "{FETCH}" http://webservice.service.consul:8080/)"
echo "api: $({RUN} sh -c 'python3 -c "{FETCH}" http://$CONSUL_HTTP_ADDR/v1/catalog/nodes')"
echo "metadata: $(ip route get 169.254.169.254 | grep -c dummy0)"
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A server and a client from one image."""

    server: Booted
    client: Booted


def place(lan: Lan, number: int) -> tuple[str, ...]:
    """Return QEMU's arguments for a place in the private network."""
    mac = ":".join(f"{byte:02x}" for byte in mac_of(number))
    return ("-netdev", lan.netdev(number), "-device", f"virtio-net-pci,netdev=lan,mac={mac},romfile=")


@pytest.fixture(scope="module")
def pair(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Give both machines, switched on a moment ago; the client had no power for a moment of its first boot."""
    folder = tmp_path_factory.mktemp("pair")
    with running_lan(folder) as lan, contextlib.ExitStack() as stack:
        joins = {"RETRY_JOIN": address_of(1)}
        machines = (
            new_machine(
                made.image,
                folder / "server",
                name="server",
                settings={"ROLE": "server", "BOOTSTRAP_EXPECT": "1"},
                network=place(lan, 1),
                question=SERVES,
            ),
            new_machine(
                made.image, folder / "client", name="client", settings=joins, network=place(lan, 2), question=ASKS + OFF
            ),
        )
        for machine in machines:
            stack.callback(machine.cut_power)
            machine.switch_on()
        server, client = machines
        client.wait_for_console(IN_THE_MIDDLE)
        client.cut_power()
        assert client.told() == [], "its boot had come to its end"
        client.switch_on()
        yield Pair(server, client)


def test_both_come_to_a_boot_s_end_healthy(pair: Pair) -> None:
    for machine in (pair.server, pair.client):
        assert machine.wait_for_boot(1)["state"] == "ok", machine.report()


def test_each_is_itself(pair: Pair) -> None:
    one, other = (machine.told()[0]["machine"].split() for machine in (pair.server, pair.client))
    assert [value for value in one if value in other] == [], (one, other)
    assert len(one) == 3
    for machine, number in ((pair.server, 1), (pair.client, 2)):
        assert machine.told()[0]["address"].startswith(f"{address_of(number)}/")
        assert int(machine.told()[0]["resolver"]) > 0


def test_what_was_preloaded_is_docker_s_and_no_longer_on_the_disk_twice(pair: Pair) -> None:
    told = pair.server.told()[0]
    assert told["preload"] == "0 left"
    assert "preloaded" not in told


def test_a_container_of_one_finds_a_container_of_the_other_by_name(pair: Pair) -> None:
    told = pair.client.told()[0]
    assert told["found"] == address_of(1), pair.client.report()
    assert "the page" in told["answer"]
    assert sorted(node["Node"] for node in json.loads(told["api"])) == ["client", "server"]
    assert told["metadata"] == "0"


def test_the_end_after_the_cut_is_a_clean_one(pair: Pair, tmp_path: Path) -> None:
    pair.client.wait_for_its_end()
    assert_clean(pair.client.folder / "disk.qcow2", tmp_path)
