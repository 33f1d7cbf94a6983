"""Hosts made of a distribution's official container image: where mmdebstrap makes none, or where `--official` asks.

The image is the engine's own where it has it, else it is pulled. Making a host of it needs the network once; the
stories then run without one, as on the other bases.
"""

from __future__ import annotations

from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import network_environment
from consul_docker_host.prove.distributions import Distribution, Family
from tests.support.containers.images import DEPENDENCIES, SYSTEM, TOOLS, derived_image, prepare, put_file

SOURCE = Path(__file__).resolve().parent / "official-source"
TARGET = "/usr/src/official.sh"
PREPARE_SECONDS = 900
RPM_SYSTEM = ("systemd", "iproute", "ca-certificates", "procps-ng", "bind-utils", "createrepo_c", "rpm-build", "jq")
RPM_DEPENDENCIES = ("dnsmasq", "nftables", "iproute", "python3", "procps-ng", "shadow-utils")
# The same in openSUSE's words; dnf is an ordinary package there.
SUSE_NAMES = {"iproute": "iproute2", "procps-ng": "procps", "shadow-utils": "shadow"}


def wanted(distribution: Distribution) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the script of a distribution's package manager, what it installs, and what it lays within reach."""
    if distribution.family is Family.DEB:
        return "apt.sh", (*SYSTEM, *TOOLS), DEPENDENCIES
    if distribution.manager == "zypper":
        installed, near = ([SUSE_NAMES.get(name, name) for name in names] for names in (RPM_SYSTEM, RPM_DEPENDENCIES))
        return "rpm.sh", (*installed, "dnf"), tuple(near)
    return "rpm.sh", RPM_SYSTEM, RPM_DEPENDENCIES


def official_image(client: docker.DockerClient, distribution: Distribution) -> str:
    """Return the image of a plain host, made from the official one after the first time."""
    base = pulled(client, distribution)
    script, installed, near = wanted(distribution)
    argument = f"'{' '.join(installed)}' '{' '.join(near)}'"

    def change(container: Container) -> None:
        put_file(container, TARGET, SOURCE / script)
        prepare(container, f"sh {TARGET} {argument} && rm {TARGET}", seconds=PREPARE_SECONDS)

    return derived_image(
        client,
        base,
        "official",
        key=[(SOURCE / script).read_text(encoding="utf-8"), argument],
        change=change,
        # The machine's own way out: its resolver and proxies hold for a container that shares its network.
        network_mode="host",
        environment=network_environment(),
    )


def pulled(client: docker.DockerClient, distribution: Distribution) -> str:
    """Return the official image under a name of the tests' own, by its content: a newer one makes a new base."""
    try:
        try:
            image = client.images.get(distribution.image)
        except ImageNotFound:
            image = client.images.pull(distribution.image)
    except DockerException as error:
        raise BuildError(
            f"{distribution.name}: {distribution.image} cannot be had: {error}",
            hint="its registry must be reachable; `docker load` brings an image to an engine without one",
        ) from error
    name = f"consul-docker-host-test:{distribution.name}-{str(image.id).partition(':')[2][:12]}"
    image.tag(*name.split(":"))
    return name
