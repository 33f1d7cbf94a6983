"""Consul's package for the tests.

It is a test-only stand-in with HashiCorp's layout, user and unit around the real binary. Consul's licence
(BUSL) forbids publishing it: it never leaves the machine.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import docker
from docker.models.containers import Container

from consul_docker_host.core import run
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.workspace import content_key, replacing
from consul_docker_host.prove.consul_binary import SOURCE, VERSION, architecture, consul_binary, consul_folder
from consul_docker_host.prove.distributions import Distribution, Family
from tests.support.containers.images import derived_image, prepare, put_file
from tests.support.rpm.system import CONSUL_REPOSITORY, consul_repository_image


def package_path(version: str = VERSION) -> Path:
    """Return where the stand-in .deb is in the cache; it may not be there yet."""
    sources = sorted(path for path in (SOURCE / "package").rglob("*") if path.is_file())
    key = content_key([version, *(part for path in sources for part in (path.name, path.read_bytes()))])[:12]
    return consul_folder(version) / f"consul_{version}-{key}.deb"


def consul_package(version: str = VERSION) -> Path:
    """Return the stand-in .deb, from the cache after the first time."""
    binary, package = consul_binary(version), package_path(version)
    with Lock(binary.parent / "lock"):
        if not package.exists():
            with tempfile.TemporaryDirectory(dir=binary.parent) as folder, replacing(package) as beside:
                tree = package_tree(Path(folder) / "tree", binary, version)
                run.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(beside)])
    return package


def package_tree(tree: Path, binary: Path, version: str) -> Path:
    """Lay the package out, ready for dpkg-deb."""
    shutil.copytree(SOURCE / "package", tree)
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.name == "postinst" else 0o644)
    control = tree / "DEBIAN" / "control"
    text = control.read_text().replace("@VERSION@", version).replace("@ARCHITECTURE@", architecture())
    control.write_text(text)
    (tree / "usr" / "bin").mkdir()
    (tree / "usr" / "bin" / "consul").hardlink_to(binary)
    return tree


def consul_image(client: docker.DockerClient, base: str, distribution: Distribution) -> str:
    """Return the base with Consul installed, neither enabled nor running: one layer, not a copy for each test."""
    if distribution.family is Family.RPM:
        command = f"rpm -i {CONSUL_REPOSITORY}/consul-*.rpm"
        return derived_image(
            client,
            consul_repository(client, base),
            "consul",
            key=[command],
            change=lambda container: prepare(container, command),
        )
    package = consul_package()

    def install(container: Container) -> None:
        put_file(container, "/var/tmp/consul.deb", package)
        prepare(container, "dpkg -i /var/tmp/consul.deb && rm /var/tmp/consul.deb")

    return derived_image(client, base, "consul", key=[package.name], change=install)


def consul_repository(client: docker.DockerClient, base: str) -> str:
    """Return an rpm distribution's base with Consul in a repository of its own, not installed."""
    return consul_repository_image(client, base, consul_binary(), SOURCE / "package", VERSION)
