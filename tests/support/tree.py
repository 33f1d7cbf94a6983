"""The tree of a host: everything on its disk that a package is answerable for, and the difference of two such trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Left out, each for its reason. A path ends here with everything below it.
EXCLUDED = {
    "/proc": "the kernel's",
    "/sys": "the kernel's",
    "/dev": "the kernel's and udev's",
    "/run": "gone at the next boot",
    "/tmp": "gone at the next boot",
    "/var/tmp": "private folders of running services come and go with them",
    "/var/log": "logs of what was done are no trace of a package",
    "/var/cache": "caches of apt, ldconfig and debconf",
    "/var/lib/dpkg": "dpkg's own books, which record that there was a package",
    "/var/lib/apt": "apt's own books",
    "/var/lib/rpm": "rpm's own books",
    "/var/lib/dnf": "dnf's own books",
    "/var/lib/systemd": "random seed, time stamps, persistent timers: systemd's own memory",
    "/etc/ld.so.cache": "rewritten by every ldconfig run",
    "/etc/machine-id": "systemd writes it on the first boot",
    "/opt/consul": "Consul's data, alive while it runs and not ours to remove",
    "/root/.dbus": "made by a first use of D-Bus",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is compared of one path. A folder's size says nothing and is not kept."""

    kind: str
    mode: str
    owner: str
    size: str = ""
    sha256: str = ""
    target: str = ""


Tree = dict[str, Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a tree differs from an earlier one."""

    left: tuple[str, ...]
    changed: tuple[str, ...]
    missing: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.left or self.changed or self.missing)


def read_tree(output: Callable[[str], bytes]) -> Tree:
    """Read a tree by two commands that ``output`` runs on the host."""
    prune = " -o ".join(f"-path {path}" for path in EXCLUDED)
    walk = f"find / -xdev \\( {prune} \\) -prune -o"
    listing = output(f"{walk} -printf '%p\\0%y\\0%m\\0%u:%g\\0%s\\0%l\\0'").decode(errors="surrogateescape")
    sums = output(f"{walk} -type f -print0 | xargs -0 -r sha256sum -z --").decode(errors="surrogateescape")
    digests = {line[66:]: line[:64] for line in sums.split("\0") if line}
    fields = listing.split("\0")[:-1]
    tree = {}
    for path, kind, mode, owner, size, target in zip(*(iter(fields),) * 6, strict=True):
        measure = size if kind == "f" else ""
        tree[path] = Entry(kind=kind, mode=mode, owner=owner, size=measure, sha256=digests.get(path, ""), target=target)
    return tree


def compare(before: Tree, after: Tree) -> Difference:
    """Return what ``after`` has too much, otherwise, or no more."""
    common = before.keys() & after.keys()
    return Difference(
        left=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(
            f"{path}: {before[path]} -> {after[path]}" for path in sorted(common) if before[path] != after[path]
        ),
        missing=tuple(sorted(before.keys() - after.keys())),
    )
