"""The tasks that publish packages, and that package Consul."""

# ruff: noqa: PLC0415 - heavy modules are imported where they are needed
from __future__ import annotations

from consul_docker_host.commands.build import read_settings
from consul_docker_host.core.errors import Mistakes
from consul_docker_host.core.workspace import Workspace


def publish_repository(*, channel: str = "", key: str = "", settings: str = "", with_consul: bool = False) -> None:
    """Add the packages in dist/ to the signed repository in dist/repository/."""
    from consul_docker_host.repository.publish import check_options, publish_dist

    work, mistakes = Workspace(), Mistakes()
    with mistakes.collected():
        chosen = read_settings(work, settings)
    with mistakes.collected():
        check_options(channel=channel, key=key)
    mistakes.refuse()
    publish_dist(work, chosen, channel=channel, key=key, with_consul=with_consul)


def make_repository_key(*, folder: str = "", add: bool = False) -> None:
    """Create the key that signs the repository, in a directory outside the checkout."""
    from consul_docker_host.repository.publish import make_archive_key

    make_archive_key(Workspace(), folder=folder, add=add)


def build_consul(*, version: str = "", archive: str = "", hashicorp_key: str = "", backend: str = "auto") -> None:
    """Package Consul from its official release archive into dist/consul/, for internal use."""
    from consul_docker_host.consul_release.release import build_packages
    from consul_docker_host.settings.load import project_settings

    work = Workspace()
    build_packages(work, project_settings(work), version=version, archive=archive, key=hashicorp_key, backend=backend)
