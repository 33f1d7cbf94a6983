"""The plan of one package: everything that a backend needs, the same for all backends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from consul_docker_host.package.changelog import Release
from consul_docker_host.package.description import Format, Relations

# Directories of the system and of our dependencies, and Consul's, whose own package decides its owner and mode.
FOLDERS_OF_OTHERS = frozenset(
    {
        *("etc", "etc/consul.d", "etc/default", "etc/dnsmasq.d", "etc/profile.d"),
        *("etc/pki", "etc/pki/rpm-gpg", "etc/yum.repos.d"),
        *("usr", "usr/bin", "usr/lib", "usr/share", "usr/share/doc", "usr/share/man", "usr/share/man/man8"),
        *(f"usr/lib/systemd{part}" for part in ("", "/network", "/system", "/system-preset")),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of the tree, owned by root: ``path`` below the root, ``mode`` as bits, ``size`` in bytes."""

    path: str
    mode: int
    is_conffile: bool
    formats: tuple[Format, ...]
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryPlan:
    """The repository that serves the packages; ``key`` is the ASCII armour in ``key_file``.

    ``valid_days`` is how long apt trusts an index that nobody refreshes; 0: forever.
    """

    url: str
    channel: str
    valid_days: int = 0
    key: str = ""
    key_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The input of a backend; all backends get the same plan.

    ``tree`` holds the files; ``scripts`` maps a format to its maintainer scripts by name, each a path; ``epoch`` is
    the time stamp of every file, in seconds since 1970; ``left_out`` are the paths that the settings switched off;
    ``compression`` is xz, or gzip where xz takes minutes; ``package_url`` is the address of the packages for hosts
    without a repository, empty if the settings have none.
    """

    name: str
    version: str
    revision: str
    summary: str
    description: str
    section: str
    priority: str
    license: str
    maintainer: str
    homepage: str
    architecture: str
    relations: Relations
    scripts: Mapping[Format, Mapping[str, Path]]
    releases: tuple[Release, ...]
    repository: RepositoryPlan
    epoch: int
    tree: Path
    entries: tuple[Entry, ...]
    folders: tuple[tuple[str, int], ...]
    left_out: tuple[str, ...] = ()
    compression: str = "xz"
    package_url: str = ""

    def entries_for(self, package_format: Format) -> tuple[Entry, ...]:
        """Return the files that one format ships."""
        return tuple(entry for entry in self.entries if package_format in entry.formats)

    def folders_for(self, package_format: Format) -> tuple[tuple[str, int], ...]:
        """Return the directories that one format owns, with their modes.

        dpkg removes a directory with its last file; rpm removes only the directories that a package owns.
        """
        if package_format == "deb":
            return self.folders
        parents = {str(parent) for entry in self.entries_for("rpm") for parent in PurePath(entry.path).parents}
        ours = parents - FOLDERS_OF_OTHERS - {".", *(path for path, _ in self.folders)}
        return (*self.folders, *((path, 0o755) for path in sorted(ours)))

    def installed_size(self, package_format: Format) -> int:
        """Return the sum of the files' sizes in KiB, rounded down, which both backends can write."""
        return sum(entry.size for entry in self.entries_for(package_format)) // 1024

    def triggers(self) -> tuple[tuple[str, str], ...]:
        """Return the deb's triggers (deb-triggers(5)) as pairs of directive and name."""
        path = self.scripts["deb"].get("triggers")
        lines = path.read_text(encoding="utf-8").splitlines() if path else []
        words = (line.split() for line in lines if line.strip() and not line.startswith("#"))
        return tuple((directive, name) for directive, name in words)
