"""Story: two machines boot one image: each becomes itself, and both are the article's cluster."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.image.kit import Booted, Made, new_machine
from tests.support.machines.lan import Lan, address_of, mac_of, running_lan

ADDRESS = "169.254.1.1"
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
    """Give both machines, switched on a moment ago."""
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
                made.image, folder / "client", name="client", settings=joins, network=place(lan, 2), question=ASKS
            ),
        )
        for machine in machines:
            stack.callback(machine.cut_power)
            machine.switch_on()
        yield Pair(*machines)


def test_both_come_to_their_first_boot_s_end_healthy(pair: Pair) -> None:
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
