"""The name server of the site: a real dnsmasq in a container of its own, which knows one outside name."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import docker
from docker.errors import APIError
from docker.models.containers import Container
from docker.models.networks import Network

from consul_docker_host.core.errors import BuildError
from consul_docker_host.prove.distributions import Family
from tests.support.containers.engine import LABEL
from tests.support.containers.images import derived_image, execute, prepare

NAME = "outside.example"
ADDRESS = "192.0.2.10"
INSTALL = {
    Family.DEB: "export DEBIAN_FRONTEND=noninteractive; apt-get install --yes --no-install-recommends dnsmasq-base",
    Family.RPM: "dnf --assumeyes install dnsmasq",
}
COMMAND = (
    "dnsmasq",
    "--no-daemon",
    "--conf-file=/dev/null",
    "--user=root",
    "--no-resolv",
    "--no-hosts",
    f"--host-record={NAME},{ADDRESS}",  # the address and its reverse
    "--local=/example/192.in-addr.arpa/",
)
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The running name server."""

    container: Container
    address: str

    @property
    def resolv_conf(self) -> str:
        """What an administrator writes into /etc/resolv.conf to use it."""
        return f"# written by hand\nnameserver {self.address}\n"


@contextlib.contextmanager
def running_upstream(client: docker.DockerClient, network: Network, base: str, family: Family) -> Iterator[Upstream]:
    """Give a name server in the network, made from the base image of a distribution under test."""

    def install(container: Container) -> None:
        prepare(container, INSTALL[family])

    image = derived_image(client, base, "upstream", key=[INSTALL[family]], change=install)
    container = client.containers.run(
        image,
        list(COMMAND),
        detach=True,
        network=network.name,
        labels={LABEL: str(os.getpid())},
        cap_add=["NET_ADMIN"],
        security_opt=["apparmor=unconfined"],
    )
    try:
        container.reload()
        address = container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
        wait_for_answer(container)
        yield Upstream(container=container, address=address)
    finally:
        with contextlib.suppress(APIError):
            container.remove(force=True, v=True)


def wait_for_answer(container: Container) -> None:
    """Wait until the name server answers."""
    deadline = time.monotonic() + START_SECONDS
    question = ["dig", "+short", "+time=1", "+tries=1", NAME, "@127.0.0.1"]
    while execute(container, question)[1].strip() != ADDRESS.encode():
        if time.monotonic() > deadline:
            logs = bytes(container.logs(tail=20)).decode(errors="replace")
            raise BuildError(f"the tests' name server does not answer after {START_SECONDS:g} s\n{logs}")
        time.sleep(0.1)
