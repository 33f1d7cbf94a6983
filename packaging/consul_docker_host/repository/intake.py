"""List the repository's packages by its directories, and add new ones: rpms are signed, and no file is ever replaced.

Each channel has a pool of its own, so its directory determines its packages; a package in both channels is one file
with two hard links.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.package.archive_sources import CHANNELS
from consul_docker_host.repository.catalogue import Catalogue, Item, Reader
from consul_docker_host.repository.debs import read_deb
from consul_docker_host.repository.rpms import read_rpm
from consul_docker_host.repository.signing import Signer
from consul_docker_host.repository.swap import link_file, settle, write_bytes

READERS: Mapping[str, Reader] = {"apt": read_deb, "rpm": read_rpm}
KINDS = {".deb": "apt", ".rpm": "rpm"}


def packages_in(dist: Path, *, with_consul: bool) -> tuple[Path, ...]:
    """Return the packages of a build, sorted; with ``with_consul`` also those of ``inv consul``."""
    folders = (dist, dist / "consul") if with_consul else (dist,)
    packages = (path for folder in folders for suffix in KINDS for path in folder.glob(f"*{suffix}"))
    return tuple(sorted(path for path in packages if path.is_file()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The packages of a repository at ``root``, by format ("apt", "rpm") and channel."""

    root: Path
    catalogues: Mapping[str, Catalogue]

    def folders(self) -> tuple[Path, ...]:
        """Return the directories of all packages."""
        return tuple(self.folder(kind, channel) for kind in READERS for channel in CHANNELS)

    def base(self, kind: str, channel: str) -> Path:
        """Return the directory that the indices' paths are relative to."""
        return self.root / "apt" if kind == "apt" else self.root / "rpm" / channel

    def folder(self, kind: str, channel: str) -> Path:
        """Return the directory of a channel's packages."""
        return self.base(kind, channel) / (f"pool/{channel}" if kind == "apt" else "packages")

    def place(self, kind: str, channel: str, item: Item, name: str) -> Path:
        """Return the path of a package; debs are grouped by their package's name, as in Debian's own archive."""
        folder = self.folder(kind, channel)
        return folder / item.name[:1] / item.name / name if kind == "apt" else folder / name

    def item(self, kind: str, channel: str, file: Path) -> Item:
        """Return the item of a file in the pool."""
        path = str(file.relative_to(self.base(kind, channel)))
        return self.catalogues[f"{kind}-{channel}"].item(file, path, READERS[kind])

    def items(self, kind: str, channel: str) -> tuple[Item, ...]:
        """Return a channel's packages in one format, in the order of the indices."""
        suffix = next(suffix for suffix, known in KINDS.items() if known == kind)
        base, catalogue = f"{self.base(kind, channel)}/", self.catalogues[f"{kind}-{channel}"]
        # Strings instead of Path objects, because there are thousands of files.
        walked = os.walk(self.folder(kind, channel))
        files = sorted(f"{parent}/{name}" for parent, _, names in walked for name in names if name.endswith(suffix))
        return tuple(catalogue.item(file, file.removeprefix(base), READERS[kind]) for file in files)


@dataclass(kw_only=True)
class Intake:
    """Add packages to one channel of a pool that is not served yet."""

    pool: Pool
    channel: str
    signer: Signer
    _unsigned: list[Path] = field(default_factory=list, init=False)

    def admit(self, files: tuple[Path, ...]) -> tuple[str, ...]:
        """Add new packages and return their names; raise BuildError for a published name with another content."""
        mistakes, added = [], []
        for file in files:
            kind = KINDS[file.suffix]
            item = READERS[kind](file, file.name)
            clash = self.clash(kind, item, file)
            if clash:
                mistakes.append(f"{file}: differs from {clash}, which is published under the same name")
            elif self.add(kind, item, file):
                added.append(file.name)
        if mistakes:
            hint = "published files never change: give the new package its own version ([package] in the settings)"
            raise BuildError("\n".join(mistakes), hint=hint)
        self.signer.sign_rpms(self._unsigned)
        for path in self._unsigned:
            settle(path)
        return tuple(added)

    def clash(self, kind: str, item: Item, file: Path) -> str:
        """Return a published file of this name with another content, empty if there is none."""
        for channel in CHANNELS:
            published = self.pool.place(kind, channel, item, file.name)
            if published.exists() and self.pool.item(kind, channel, published).unsigned != item.unsigned:
                return str(published.relative_to(self.pool.root))
        return ""

    def add(self, kind: str, item: Item, file: Path) -> bool:
        """Add a package to the channel, linked from the other channel if that has it; return whether it was new."""
        target = self.pool.place(kind, self.channel, item, file.name)
        if target.exists():
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        for channel in CHANNELS:
            published = self.pool.place(kind, channel, item, file.name)
            if published.exists():
                link_file(published, target)
                return True
        write_bytes(target, file.read_bytes())
        if kind == "rpm":
            self._unsigned.append(target)
        shutil.copystat(file, target)
        target.chmod(0o644)
        return True
