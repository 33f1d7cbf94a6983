"""Story: `./inv build` is all that a newcomer types, on a machine with Python and nothing else.

This story needs the network: the launcher fetches python3-venv from Debian and the locked packages from Python's index.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from consul_docker_host.core.checkout import project_files
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.distributions import Distribution, read_distributions
from tests.support.containers.images import bare_recipe, base_image, execute, put_bytes, temporary_container

CHECKOUT = "/home/newcomer/consul-docker-host"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture(scope="module")
def bare() -> Distribution:
    """Give the distribution of the machine: the oldest with a Python that is new enough."""
    return read_distributions()[0]


@pytest.fixture(scope="module")
def checkout() -> bytes:
    """Give a tar of what git would give a newcomer: tracked files, and new ones that are not ignored."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in project_files(ROOT):
            tar.add(ROOT / name, arcname=f"{CHECKOUT}/{name}".lstrip("/"))
    return archive.getvalue()


@pytest.fixture
def machine(engine: docker.DockerClient, bare: Distribution, checkout: bytes) -> Iterator[Container]:
    """Give a machine without systemd and without python3-venv, with the checkout of a user named newcomer."""
    image = base_image(engine, bare_recipe(bare))
    with temporary_container(engine, image, network_mode="host", environment=network_settings()) as container:
        ask(container, "useradd --create-home newcomer")
        container.put_archive("/", checkout)
        trust_our_certificates(container)
        ask(container, "chown -R newcomer: /home/newcomer")
        yield container


def network_settings() -> dict[str, str]:
    """Return what this machine needs to reach the network: proxies, an index of its own."""
    names = [name for name in os.environ if name.lower().endswith("_proxy") or name in {"PIP_INDEX_URL", "PIP_PROXY"}]
    return {name: os.environ[name] for name in names}


def trust_our_certificates(container: Container) -> None:
    """Let the machine trust whom this one trusts: a company's proxy signs with a certificate of its own."""
    ours = Path(os.environ.get("SSL_CERT_FILE", CERTIFICATES))
    if ours.exists():
        put_bytes(container, CERTIFICATES, ours.read_bytes())
        ask(container, f"printf '[global]\ncert = {CERTIFICATES}\n' > /etc/pip.conf")


def ask(container: Container, command: str, *, user: str = "", seconds: int = 60) -> tuple[int, str]:
    """Run a line of shell and return its exit code and all it prints."""
    bounded = ["timeout", str(seconds), "sh", "-c", command]
    code, out, error = execute(container, bounded, user=user)
    return code, (out + error).decode(errors="replace")


def test_a_user_is_told_the_command_to_run(machine: Container) -> None:
    code, said = ask(machine, f"cd {CHECKOUT} && ./inv --list", user="newcomer")
    assert code != 0
    assert "sudo apt-get install -y --no-install-recommends python3-venv" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.timeout(420)
def test_root_gets_what_is_missing(machine: Container) -> None:
    code, said = ask(machine, f"cd {CHECKOUT} && ./inv --list", seconds=360)
    assert code == 0, f"this story needs the network\n{said}"
    assert "creating .venv" in said
    assert "build" in said
    code, said = ask(machine, f"cd {CHECKOUT} && ./inv --list", seconds=60)
    assert code == 0
    assert "creating .venv" not in said, "the second call is quick"
    code, said = ask(machine, f"cd {CHECKOUT} && ./inv build && cd dist && sha256sum --check SHA256SUMS", seconds=60)
    assert code == 0, said
    assert "_all.deb: OK" in said
    assert "backend: nfpm" in said
