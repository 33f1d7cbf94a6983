"""The tree of a host: everything on its disk that a package is answerable for, and the difference of two such trees."""

from __future__ import annotations

import shlex
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
# A file's digest by its path, with what changes whenever the file does: size, inode, and the kernel's time of the last
# change, which no program can set. Most of a system is never written, and reading all of it takes seconds.
Digests = dict[str, tuple[str, str]]
LINE_LIMIT = 100_000  # the kernel takes 128 KiB in one argument


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a tree differs from an earlier one."""

    left: tuple[str, ...]
    changed: tuple[str, ...]
    missing: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.left or self.changed or self.missing)


def read_tree(output: Callable[[str], bytes], known: Digests) -> Tree:
    """Read a tree by commands that ``output`` runs on the host, and add to the digests that are ``known`` of it."""
    prune = " -o ".join(f"-path {path}" for path in EXCLUDED)
    walk = f"find / -xdev \\( {prune} \\) -prune -o"
    form = "".join(f"{field}\\0" for field in ("%p", "%y", "%m", "%u:%g", "%s", "%l", "%i %C@ %T@"))
    fields = output(f"{walk} -printf '{form}'").decode(errors="surrogateescape").split("\0")[:-1]
    rows = list(zip(*(iter(fields),) * 7, strict=True))
    stamps = {path: f"{size} {stamp}" for path, kind, _, _, size, _, stamp in rows if kind == "f"}
    changed = [path for path, stamp in stamps.items() if known.get(path, ("", ""))[0] != stamp]
    listed = "printf '%s\\0' " + " ".join(shlex.quote(path) for path in changed)
    source = listed if len(listed.encode(errors="surrogateescape")) < LINE_LIMIT else f"{walk} -type f -print0"
    for path in changed:
        known.pop(path, None)
    if changed:
        sums = output(f"{source} | xargs -0 -r sha256sum -z --").decode(errors="surrogateescape")
        digests = {line[66:]: line[:64] for line in sums.split("\0") if line}
        known.update({path: (stamps[path], digest) for path, digest in digests.items() if path in stamps})
    tree = {}
    for path, kind, mode, owner, size, target, _ in rows:
        is_file = kind == "f"
        digest = known[path][1] if is_file and path in known else ""
        tree[path] = Entry(
            kind=kind, mode=mode, owner=owner, size=size if is_file else "", sha256=digest, target=target
        )
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
