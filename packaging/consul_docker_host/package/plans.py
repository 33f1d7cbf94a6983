"""Render the tree of each package from the settings and its description, and return its plan."""

from __future__ import annotations

from dataclasses import replace

from consul_docker_host.core.errors import Mistakes
from consul_docker_host.core.workspace import PROJECT, Workspace
from consul_docker_host.package import archive_sources
from consul_docker_host.package.changelog import Release
from consul_docker_host.package.description import collect_payload, load_package
from consul_docker_host.package.plan import Plan
from consul_docker_host.package.render import Rendered, render_keyring, render_tree
from consul_docker_host.settings.model import Settings


def check_descriptions(work: Workspace) -> None:
    """Raise one BuildError with every mistake in the descriptions of the packages of a build."""
    mistakes = Mistakes()
    for name in (PROJECT, archive_sources.PACKAGE):
        with mistakes.collected():
            load_package(work.packaging / "packages" / f"{name}.toml")
    mistakes.refuse()


def make_plan(settings: Settings, work: Workspace) -> Plan:
    """Render the tree and return the plan of the package."""
    package = load_package(work.packaging / "packages" / f"{PROJECT}.toml")
    return render_tree(settings, package, collect_payload(package, work.files), work)


def make_keyring_plan(settings: Settings, work: Workspace) -> Plan | None:
    """Render the keyring package's tree and return its plan; None if the settings name no key."""
    if not settings.repository.key_file:
        return None
    package = load_package(work.packaging / "packages" / f"{archive_sources.PACKAGE}.toml")
    return render_tree(settings, package, (), work, made=render_keyring(settings, work))


def make_consul_plan(
    settings: Settings, work: Workspace, *, program: bytes, licence: bytes, release: Release, architecture: str
) -> Plan:
    """Render the tree of Consul's package around the official program and return its plan."""
    ours = {"version": release.version, "revision": "1", "homepage": "https://developer.hashicorp.com/consul"}
    theirs = settings.model_copy(update={"package": settings.package.model_copy(update=ours)})
    described = load_package(work.packaging / "packages" / "consul.toml")
    package = described.model_copy(update={"architecture": architecture})
    files = work.packaging / "consul"
    made = [Rendered(path="usr/bin/consul", content=program, mode=0o755)]
    if licence:
        made.append(Rendered(path="usr/share/doc/consul/LICENSE.txt", content=licence))
    payload = collect_payload(package, files)
    plan = render_tree(theirs, package, payload, work, made=made, files=files, history=(release,))
    return replace(plan, compression="gzip")
