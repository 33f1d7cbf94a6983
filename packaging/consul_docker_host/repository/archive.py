"""Run one publication: add new packages to the served repository and write its indices.

The new repository is a directory beside the served one, with hard links to the files that are kept. It replaces the
served one atomically, so an interruption before that leaves the repository unchanged.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace, content_key, file_digest, write_text
from consul_docker_host.package.archive_sources import CHANNELS, KEY_NAME, apt_source, source_name, yum_source
from consul_docker_host.package.plan import RepositoryPlan
from consul_docker_host.repository import apt, page, yum
from consul_docker_host.repository.catalogue import Catalogue, Item, is_consul
from consul_docker_host.repository.intake import Intake, Pool, packages_in
from consul_docker_host.repository.signing import Signer
from consul_docker_host.repository.swap import link_file, link_folder, replace_folder, write_bytes

# Replaced indices are kept for clients, proxies and mirrors that still have the signed file which names them.
KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The result of a run: the names of new packages, the channels' packages now, and whether anything changed."""

    added: tuple[str, ...]
    items: dict[str, tuple[Item, ...]]
    is_changed: bool


@dataclass(kw_only=True)
class Record:
    """The memory between runs: keys of the written parts, digests of signed files, and when files were retired."""

    file: Path
    made: dict[str, str] = field(default_factory=dict)
    signed: dict[str, str] = field(default_factory=dict)
    retired: dict[str, float] = field(default_factory=dict)

    def load(self) -> Record:
        """Read the record; an unreadable one counts as empty."""
        try:
            state: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
            self.made, self.signed, self.retired = (dict(state[name]) for name in ("made", "signed", "retired"))
        except (OSError, ValueError, KeyError, TypeError):
            self.made, self.signed, self.retired = {}, {}, {}
        return self

    def save(self) -> None:
        """Write the record."""
        state = {"made": self.made, "signed": self.signed, "retired": self.retired}
        write_text(self.file, json.dumps(state, indent=1) + "\n")


def served_folder(work: Workspace) -> Path:
    """Return the directory that a web server serves."""
    return work.dist / "repository"


def memory_folder(work: Workspace) -> Path:
    """Return the directory of the memory between runs; it may be removed at any time."""
    return work.build / "repository"


def check_channel(channel: str) -> None:
    """Raise BuildError for an unknown channel."""
    if channel not in CHANNELS:
        raise BuildError(f"--channel {channel}: unknown channel", hint=f"use {' or '.join(CHANNELS)}")


def publish(
    work: Workspace, plan: RepositoryPlan, signer: Signer, folder: Path, *, channel: str, with_consul: bool
) -> Published:
    """Add the packages of dist/ to a channel; ``folder`` is empty and on dist/'s file system, for the new tree.

    The caller keeps other builds out. A mistake raises BuildError and leaves the served repository unchanged.
    """
    check_channel(channel)
    run = _Run(work=work, plan=plan, signer=signer, new=folder / "repository")
    if run.old.is_symlink():
        hint = "make it a directory, and the web server's root a link to it"
        raise BuildError(f"{run.old}: is a symbolic link, and would be replaced by a directory", hint=hint)
    packages = packages_in(work.dist, with_consul=with_consul)
    if not packages and not run.old.exists():
        raise BuildError(f"{work.dist}: contains no deb and no rpm", hint="./inv build makes them")
    return run.publish(packages, channel=channel, with_consul=with_consul)


@dataclass(kw_only=True)
class _Run:
    """One run: the old tree, the new tree and the memory."""

    work: Workspace
    plan: RepositoryPlan
    signer: Signer
    new: Path

    def __post_init__(self) -> None:
        self.old = served_folder(self.work)
        memory = memory_folder(self.work)
        self.state = Record(file=memory / "state.json").load()
        names = [f"{kind}-{name}" for kind in ("apt", "rpm") for name in CHANNELS]
        self.catalogues = {name: Catalogue(file=memory / f"{name}.json").load() for name in names}
        self.now = datetime.now(tz=UTC)

    def publish(self, packages: tuple[Path, ...], *, channel: str, with_consul: bool) -> Published:
        """Write the new tree and replace the old one by it."""
        self.new.mkdir(mode=0o755)
        pool = Pool(root=self.new, catalogues=self.catalogues)
        for folder in pool.folders():
            folder.mkdir(parents=True)
            link_folder(self.old / folder.relative_to(self.new), folder)
        added = Intake(pool=pool, channel=channel, signer=self.signer).admit(packages)
        items = {f"{kind}/{name}": pool.items(kind, name) for kind in ("apt", "rpm") for name in CHANNELS}
        if not with_consul:
            refuse_consul(items)
        made = {name: self.key(name, each) for name, each in items.items()}
        made["page"] = self.page_key(items)
        # A memory of another tree, as after a run that was killed in its last moment, counts as empty.
        if self.state.signed != signed_files(self.old):
            self.state.made = {}
        is_changed = made != self.state.made or self.plan.valid_days > 0
        if is_changed:
            for name in CHANNELS:
                self.write_apt(name, items[f"apt/{name}"], is_same=self.is_same(f"apt/{name}", made))
                self.write_rpm(name, items[f"rpm/{name}"], is_same=self.is_same(f"rpm/{name}", made))
            self.write_public(items)
            retired = self.keep_retired()
            for parent, _, _ in os.walk(self.new):
                Path(parent).chmod(0o755)  # whatever the caller's umask
            replace_folder(self.new, self.old)
            self.state.made, self.state.retired, self.state.signed = made, retired, signed_files(self.old)
            self.state.save()
        for catalogue in self.catalogues.values():
            catalogue.save()
        return Published(added=added, items=items, is_changed=is_changed)

    def key(self, name: str, items: tuple[Item, ...]) -> str:
        """Return one key for everything that a channel's metadata depend on, except the clock."""
        signers = [key.fingerprint for key in self.signer.keys]
        parts = [name, *signers, str(self.plan.valid_days)]
        return content_key([*parts, *(part for item in items for part in (item.path, item.sha256))])

    def page_key(self, items: dict[str, tuple[Item, ...]]) -> str:
        """Return one key for the page and the other files for people."""
        parts = [self.plan.url, self.plan.key, page.template_text(), str(self.plan.valid_days)]
        return content_key([*parts, *(item.sha256 for each in items.values() for item in each)])

    def is_same(self, name: str, made: dict[str, str]) -> bool:
        """Return whether the old tree's metadata of a channel are up to date."""
        return self.state.made.get(name) == made[name]

    def write_apt(self, channel: str, items: tuple[Item, ...], *, is_same: bool) -> None:
        """Write dists/CHANNEL, or link the old one if it is up to date."""
        former, folder = self.old / "apt" / "dists" / channel, self.new / "apt" / "dists" / channel
        if is_same and not self.plan.valid_days:
            link_folder(former, folder)
            return
        files = apt.index_files(items, former)
        release = apt.release_text(channel, files, now=self.now, valid_days=self.plan.valid_days)
        apt.write_channel(folder, files, release, self.signer)

    def write_rpm(self, channel: str, items: tuple[Item, ...], *, is_same: bool) -> None:
        """Write rpm/CHANNEL/repodata, or link the old one if it is up to date."""
        former, folder = self.old / "rpm" / channel, self.new / "rpm" / channel
        if is_same:
            link_folder(former / yum.REPODATA, folder / yum.REPODATA)
            return
        yum.write_metadata(folder, items, self.signer)

    def write_public(self, items: dict[str, tuple[Item, ...]]) -> None:
        """Write the key, the files that are copied to hosts, and the page that explains it."""
        self.write(KEY_NAME, self.plan.key)
        for channel in CHANNELS:
            name = source_name(channel)
            source, repo = apt_source(self.plan.url, channel), yum_source(self.plan.url, channel)
            self.write(f"apt/{channel}/{name}.sources", source)
            self.write(f"rpm/{channel}/{name}.repo", repo)
        self.write("index.html", page.page(self.plan, items, self.signer.keys))

    def write(self, name: str, text: str) -> None:
        """Write a file; an unchanged one is linked, so that it keeps its time stamp."""
        former, content = self.old / name, text.encode()
        if former.is_file() and former.read_bytes() == content:
            (self.new / name).parent.mkdir(parents=True, exist_ok=True)
            link_file(former, self.new / name)
        else:
            write_bytes(self.new / name, content)

    def keep_retired(self) -> dict[str, float]:
        """Keep files that only the old tree's signed files name for a while; return when each was retired."""
        current, kept, now = current_names(self.new), {}, self.now.timestamp()
        for path in named_files(self.old):
            name = str(path.relative_to(self.old))
            if name in current:
                continue
            since = self.state.retired.get(name, now)
            if now - since < KEPT.total_seconds():
                (self.new / name).parent.mkdir(parents=True, exist_ok=True)
                link_file(path, self.new / name)
                kept[name] = since
            else:
                (self.new / name).unlink(missing_ok=True)
        return kept


def refuse_consul(items: Mapping[str, Sequence[Item]]) -> None:
    """Raise BuildError if the repository would contain Consul without --with-consul."""
    paths = sorted({item.path for each in items.values() for item in each if is_consul(item)})
    if paths:
        hint = (
            "add --with-consul if only your own network is served; otherwise move it out of dist/ and dist/repository/"
        )
        raise BuildError(f"{', '.join(paths)}: Consul's licence (BUSL) forbids publishing it", hint=hint)


def signed_files(root: Path) -> dict[str, str]:
    """Return the SHA-256 of a tree's signed files, by their paths below ``root``."""
    patterns = ("apt/dists/*/InRelease", f"rpm/*/{yum.REPODATA}/repomd.xml.asc")
    paths = sorted(path for pattern in patterns for path in root.glob(pattern))
    return {str(path.relative_to(root)): file_digest(path) for path in paths}


def named_files(root: Path) -> Iterator[Path]:
    """Yield the files of a repository that a signed file names by their hashes."""
    yield from root.glob(f"apt/dists/*/{apt.COMPONENT}/*/{apt.BY_HASH}/*")
    yield from root.glob(f"rpm/*/{yum.REPODATA}/*-*")


def current_names(root: Path) -> set[str]:
    """Return the paths below ``root`` of the files that the current signed files name by their hashes."""
    names = set()
    for release in root.glob("apt/dists/*/Release"):
        for digest, index in re.findall(r"^ ([0-9a-f]{64}) [0-9]+ (\S+)$", release.read_text("utf-8"), re.MULTILINE):
            names.add(str(release.parent.relative_to(root) / Path(index).parent / apt.BY_HASH / digest))
    for repomd in root.glob(f"rpm/*/{yum.REPODATA}/repomd.xml"):
        channel = repomd.parents[1].relative_to(root)
        names |= {str(channel / href) for href in re.findall(r'<location href="([^"]+)"', repomd.read_text("utf-8"))}
    return names
