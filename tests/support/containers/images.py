"""Base images: a small system with systemd, made by mmdebstrap (or from an official image) and kept by content.

The package's own dependencies are not installed, but they lie in apt's cache with the lists kept, so that
`apt-get install ./consul-docker-host.deb` finds and installs them without a network, as it would with one.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound
from docker.models.containers import Container

from consul_docker_host.core import run
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.workspace import cache_folder, content_key, replacing
from consul_docker_host.prove.distributions import Distribution
from tests.support.containers.engine import LABEL

REPOSITORY = "consul-docker-host-test"
MMDEBSTRAP_SECONDS = 900.0
EXIT_SECONDS = 60.0
KEPT = 3
KEY = re.compile(r"-[0-9a-f]{12}(?=-|$)")
# A file system's promise to outlive a power failure is worth nothing in a container that is thrown away, and costs most
# of a package's installation on a busy disk: systemd-nspawn's --suppress-sync, as Docker takes it.
SYNCING = ("fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync")
WITHOUT_SYNC = json.dumps(
    {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": SYNCING, "action": "SCMP_ACT_ERRNO", "errnoRet": 0}],
    }
)
UNCONFINED = (f"seccomp={WITHOUT_SYNC}", "apparmor=unconfined")

SYSTEM = ("systemd-sysv", "dbus", "iproute2", "ca-certificates", "procps")
TOOLS = ("bind9-dnsutils", "curl", "jq")  # dig and others that only the tests need
# What the packages may depend on; the closure is apt's business.
DEPENDENCIES = ("dnsmasq", "nftables", "python3", "iproute2")

# Recommended by the packages, too big to keep at hand: to apt they do not exist, as on a host without Docker.
ABSENT = "Package: docker.io docker-cli docker-ce docker-ce-cli consul\\nPin: release *\\nPin-Priority: -1\\n"

PREPARE = (
    # A getty on a console that does not exist is a failed unit, and one that exists hangs up other writers.
    'chroot "$1" systemctl mask getty.target console-getty.service getty-static.service',
    f'printf "{ABSENT}" > "$1/etc/apt/preferences.d/consul-docker-host-test"',
)
DOWNLOAD = (
    # What the base itself was made of lies in apt's cache too, and is of no use any more.
    "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get clean",
    "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install --yes --download-only -o APT::Install-Recommends=true "
    + " ".join(DEPENDENCIES),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A base image as mmdebstrap is asked for it; whatever changes here makes a new image."""

    name: str
    suite: str
    include: tuple[str, ...]
    hooks: tuple[str, ...] = field(default=())

    def command(self, target: Path) -> list[str]:
        """Return the argv that writes the image's tar to ``target``."""
        return [
            "mmdebstrap",
            "--variant=minbase",
            "--format=tar",
            "--skip=cleanup/apt/lists,cleanup/apt/cache",
            f"--include={','.join(self.include)}",
            *(f"--customize-hook={hook}" for hook in self.hooks),
            self.suite,
            str(target),
        ]

    @property
    def key(self) -> str:
        """The key of the image's content."""
        return content_key(self.command(Path("image.tar")))[:12]

    @property
    def tag(self) -> str:
        """The image's name."""
        return f"{REPOSITORY}:{self.name}-{self.key}"


def system_recipe(distribution: Distribution, *more: str) -> Recipe:
    """Return the recipe of a host: systemd, the tests' tools and ``more``, our dependencies only within reach."""
    return Recipe(
        name="-".join((distribution.name, *more)),
        suite=distribution.suite,
        include=(*SYSTEM, *TOOLS, *more),
        hooks=(*PREPARE, *DOWNLOAD),
    )


def bare_recipe(distribution: Distribution) -> Recipe:
    """Return the recipe of a machine without systemd and without python3-venv, for the launcher."""
    return Recipe(name=f"{distribution.name}-bare", suite=distribution.suite, include=("python3", "ca-certificates"))


def base_image(client: docker.DockerClient, recipe: Recipe) -> str:
    """Return the name of the recipe's image, making tar and image if they are not there."""
    if has_image(client, recipe.tag):
        return recipe.tag
    folder = cache_folder("images")
    with Lock(folder / f"{recipe.name}.lock"):
        if not has_image(client, recipe.tag):
            tar = folder / f"{recipe.name}-{recipe.key}.tar"
            if not tar.exists():
                make_tar(recipe, tar)
            import_tar(client, recipe.tag, tar)
    return recipe.tag


def has_image(client: docker.DockerClient, tag: str) -> bool:
    """Return whether the engine has that image, and note that it is in use."""
    use_file(tag).touch()
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def use_file(tag: str) -> Path:
    """Return the file whose time is when an image was asked for last."""
    return cache_folder("images", "used") / tag.replace("/", "_")


def name_of(tag: str) -> str:
    """Return an image's name without the keys of content in it."""
    return KEY.sub("", tag)


def current_tags(tags: Iterable[str]) -> frozenset[str]:
    """Return the tags of each name that were asked for last; checkouts of several versions may share a cache."""
    by_name: dict[str, list[str]] = {}
    for tag in tags:
        by_name.setdefault(name_of(tag), []).append(tag)
    return frozenset(tag for same in by_name.values() for tag in sorted(same, key=last_use)[-KEPT:])


def last_use(tag: str) -> float:
    """Return when an image was asked for last, 0.0 where nobody has noted it."""
    path = use_file(tag)
    return path.stat().st_mtime if path.exists() else 0.0


def prune(client: docker.DockerClient, tag: str) -> None:
    """Remove the former images of an image's name. One that a host still runs on stays until the next time."""
    images = client.images.list(name=REPOSITORY)
    same = {other for image in images for other in image.tags if name_of(other) == name_of(tag)}
    for former in sorted(same - current_tags(same)):
        with contextlib.suppress(APIError):
            client.images.remove(former)
        use_file(former).unlink(missing_ok=True)


def make_tar(recipe: Recipe, tar: Path) -> None:
    """Make the image's tar."""
    with replacing(tar) as beside:
        run.run(
            recipe.command(beside),
            timeout=MMDEBSTRAP_SECONDS,
            env=run.network_environment(),
            hint="it needs mmdebstrap, debian-archive-keyring and the distribution's package archive",
        )


def import_tar(client: docker.DockerClient, tag: str, tar: Path) -> None:
    """Make an image of one layer from a tar."""
    repository, _, version = tag.partition(":")
    answer = client.api.import_image_from_file(str(tar), repository=repository, tag=version)
    last = json.loads(str(answer).strip().splitlines()[-1])
    if "error" in last:
        raise BuildError(f"{tar}: the engine cannot import it: {last['error']}", hint="remove the file and try again")


def lock_of(tag: str) -> Path:
    """Return the lock under which an image is made."""
    return cache_folder("images") / f"{content_key([tag])[:12]}.lock"


def derived_image(
    client: docker.DockerClient,
    base: str,
    name: str,
    *,
    key: Iterable[str],
    change: Callable[[Container], None],
    network_mode: str = "none",
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return the name of an image made from ``base`` by ``change``, kept by ``key`` and the base."""
    tag = f"{base}-{name}-{content_key(key)[:12]}"
    with Lock(lock_of(tag)):
        if has_image(client, tag):
            return tag
        with temporary_container(client, base, network_mode=network_mode, environment=environment) as container:
            change(container)
            commit(container, tag)
    return tag


def commit(container: Container, tag: str) -> None:
    """Make an image of a container."""
    repository, _, version = tag.partition(":")
    container.commit(repository=repository, tag=version)


@contextlib.contextmanager
def temporary_image(
    client: docker.DockerClient, base: str, name: str, change: Callable[[Container], None]
) -> Iterator[str]:
    """Give the name of an image made from ``base`` by ``change``, removed at the end."""
    tag = f"{base}-{name}-{os.getpid()}"
    with temporary_container(client, base) as container:
        change(container)
        commit(container, tag)
    try:
        yield tag
    finally:
        client.images.remove(tag, force=True)


@contextlib.contextmanager
def temporary_container(
    client: docker.DockerClient, image: str, *, network_mode: str = "none", environment: Mapping[str, str] | None = None
) -> Iterator[Container]:
    """Give a container in which nothing runs, removed at the end."""
    container = client.containers.run(
        image,
        ["sleep", "infinity"],
        detach=True,
        network_mode=network_mode,
        environment=dict(environment or {}),
        labels={LABEL: str(os.getpid())},
        security_opt=list(UNCONFINED),
    )
    try:
        yield container
    finally:
        with contextlib.suppress(APIError):
            container.remove(force=True, v=True)


def execute(
    container: Container, argv: Sequence[str], *, user: str = "", environment: Mapping[str, str] | None = None
) -> tuple[int, bytes, bytes]:
    """Run a program in a container and return its exit code and its two streams; the only place that asks the SDK."""
    api: Any = container.client.api  # type: ignore[union-attr]
    started = api.exec_create(str(container.id), list(argv), user=user, environment=dict(environment or {}))["Id"]
    # Not by the SDK's exec_start: it takes the socket over, and what came together with the answer's head stays in a
    # buffer. That is all of a short program's output where this process is slower than the program.
    address, plain = api._url("/exec/{0}/start", started), {"Tty": False, "Detach": False}
    answer = api._post_json(address, data=plain, stream=True, timeout=None)
    api._raise_for_status(answer)
    out, error = streams(answer.content)
    # A busy engine may cut the streams before the program has ended: without this its end would pass for a success.
    deadline = time.monotonic() + EXIT_SECONDS
    while (state := api.exec_inspect(started))["ExitCode"] is None:
        if time.monotonic() > deadline:
            raise BuildError(f"{argv}: its streams ended, and it did not within {EXIT_SECONDS:g} s")
        time.sleep(0.05)
    return int(state["ExitCode"]), out, error


def streams(data: bytes) -> tuple[bytes, bytes]:
    """Return both streams of what an engine sends of them in turn: their number, three bytes, a length, the content."""
    found: dict[int, list[bytes]] = {1: [], 2: []}
    while data:
        length = int.from_bytes(data[4:8], "big")
        found[data[0]].append(data[8 : 8 + length])
        data = data[8 + length :]
    return b"".join(found[1]), b"".join(found[2])


def prepare(container: Container, command: str, *, seconds: float = 300) -> None:
    """Run a line of shell in a container that becomes an image; it must succeed."""
    code, out, error = execute(container, ["timeout", f"{seconds:g}", "sh", "-ec", command])
    if code != 0:
        text = (out + error)[-2000:].decode(errors="replace")
        raise BuildError(f"exit code {code} in a test image: {command}\n{text}")


def put_file(container: Container, target: str, source: Path, *, mode: int = 0o644) -> None:
    """Copy a file of any size into a container."""
    with tempfile.TemporaryFile() as archive:
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tar.gettarinfo(source, arcname=target.lstrip("/"))
            entry.mode, entry.uid, entry.gid, entry.uname, entry.gname = mode, 0, 0, "root", "root"
            with source.open("rb") as content:
                tar.addfile(entry, content)
        archive.seek(0)
        container.put_archive("/", archive)


def put_bytes(container: Container, target: str, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file into a container."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(target.lstrip("/"))
        entry.mode, entry.size = mode, len(data)
        tar.addfile(entry, io.BytesIO(data))
    container.put_archive("/", archive.getvalue())
