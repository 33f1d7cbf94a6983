"""Systems that rpm manages: a Debian root whose interesting programs are rpms, with rpm, dnf and a local repository.

No mirror of an rpm distribution is needed. What our package depends on becomes small rpms around the real programs,
laid out and configured as Enterprise Linux 9 has them; systemd itself stays Debian's, unknown to rpm.
"""

from __future__ import annotations

from pathlib import Path

import docker
from docker.models.containers import Container

from consul_docker_host.prove.distributions import Distribution
from tests.support.containers.images import SYSTEM, TOOLS, Recipe, base_image, derived_image, prepare, put_file

SOURCE = Path(__file__).resolve().parent / "source"
TARGET = "/usr/src/test-rpms"
CONSUL_REPOSITORY = "/srv/repository/hashicorp"
PROGRAMS = ("dnsmasq-base", "nftables")  # prepare.sh makes rpms of them
MANAGERS = ("rpm", "dnf", "createrepo-c")
MASKED = 'chroot "$1" systemctl mask getty.target console-getty.service getty-static.service'


def rpm_recipe(distribution: Distribution, *more: str) -> Recipe:
    """Return the recipe of the root with ``more`` in it, before rpm takes it over."""
    return Recipe(
        name="-".join((distribution.name, *more)),
        suite=distribution.suite,
        include=(*SYSTEM, *TOOLS, *MANAGERS, *PROGRAMS, *more),
        hooks=(MASKED,),
    )


def rpm_image(client: docker.DockerClient, distribution: Distribution, *more: str) -> str:
    """Return the image of a plain host with ``more``: dependencies in a local repository, none of them installed."""
    base = base_image(client, rpm_recipe(distribution, *more))
    sources = source_files(SOURCE)

    def change(container: Container) -> None:
        put_sources(container, sources)
        prepare(container, f"sh {TARGET}/prepare.sh {TARGET}")

    return derived_image(client, base, "rpm", key=content(sources), change=change)


def consul_repository_image(client: docker.DockerClient, base: str, binary: Path, package: Path, version: str) -> str:
    """Return the base with a repository that has Consul; ``package`` is the folder of HashiCorp's files."""
    sources = source_files(package, below="package")

    def change(container: Container) -> None:
        put_sources(container, sources)
        put_file(container, f"{TARGET}/consul", binary, mode=0o755)
        prepare(container, f"sh {TARGET}/consul.sh {TARGET} {CONSUL_REPOSITORY} {version}")

    key = [*content(sources), *content(source_files(SOURCE)), binary.parent.name]
    return derived_image(client, base, "hashicorp", key=key, change=change)


def source_files(folder: Path, *, below: str = "") -> dict[str, Path]:
    """Return a folder's files by where they go below TARGET."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(Path(below, path.relative_to(folder))): path for path in paths}


def content(files: dict[str, Path]) -> list[str]:
    """Return what an image made of these files is kept by."""
    return [part for name, path in files.items() for part in (name, path.read_text(encoding="utf-8"))]


def put_sources(container: Container, files: dict[str, Path]) -> None:
    """Copy files below TARGET."""
    for name, path in files.items():
        put_file(container, f"{TARGET}/{name}", path)
