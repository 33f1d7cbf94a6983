"""What is in a root: every file with its hash, every package with its version; as a manifest and as SPDX.

Two manifests that differ say by what two images do. The digest of one names its content.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import content_key

VERSION = 1
ZEROS = memoryview(bytes(1 << 20))
KINDS = {stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Inputs by name, packages by name as ``VERSION ARCHITECTURE``, and files by path as one line each."""

    inputs: Mapping[str, str]
    packages: Mapping[str, str]
    files: Mapping[str, str]

    @property
    def digest(self) -> str:
        """What names the content; how it came to be is no part of it."""
        lines = [f"{path} {line}" for path, line in self.files.items()]
        return content_key([*(f"{name} {version}" for name, version in self.packages.items()), *lines])

    def text(self) -> str:
        """Return it as JSON."""
        body = {"version": VERSION, "digest": self.digest, "inputs": dict(self.inputs)}
        return json.dumps({**body, "packages": dict(self.packages), "files": dict(self.files)}, indent=1) + "\n"


def read_tree(tree: Path, inputs: Mapping[str, str]) -> Manifest:
    """Return the manifest of a root."""
    return Manifest(inputs=inputs, packages=read_packages(tree), files=dict(sorted(lines_of(tree))))


def read_packages(tree: Path) -> dict[str, str]:
    """Return the packages that dpkg knows there."""
    form = "${Package}:${Architecture}\t${Version} ${Architecture}\n"
    said = run(["dpkg-query", f"--admindir={tree / 'var/lib/dpkg'}", "--show", f"--showformat={form}"]).stdout
    return dict(sorted(line.split("\t", 1) for line in said.splitlines()))


def lines_of(tree: Path) -> Iterator[tuple[str, str]]:
    """Yield each path below the root with kind, mode, owner, and hash or target."""
    for parent, folders, names in os.walk(tree):
        for name in (*folders, *names):
            path = Path(parent, name)
            found = path.lstat()
            kind = KINDS.get(stat.S_IFMT(found.st_mode), "f")
            what = ""
            if kind == "l":
                what = str(path.readlink())
            elif kind == "f":
                what = digest_of(path)
            mode = f"{stat.S_IMODE(found.st_mode):04o}"
            yield str(path.relative_to(tree)), f"{kind} {mode} {found.st_uid}:{found.st_gid} {what}".rstrip()


def digest_of(path: Path) -> str:
    """Return a file's SHA-256, of whatever size it is.

    The holes of a disk are most of it, and reading them takes longer than all else: they are known to be zeros.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        place, end = 0, os.fstat(file.fileno()).st_size
        while place < end:
            data = seek(file.fileno(), place, os.SEEK_DATA, end)
            for begin in range(place, data, len(ZEROS)):
                digest.update(ZEROS[: data - begin])
            place = seek(file.fileno(), data, os.SEEK_HOLE, end)
            file.seek(data)
            left = place - data
            while left and (chunk := file.read(min(len(ZEROS), left))):
                digest.update(chunk)
                left -= len(chunk)
    return digest.hexdigest()


def seek(handle: int, place: int, what: int, end: int) -> int:
    """Return where the next data or hole of a file begins; its end where there is none."""
    try:
        return min(os.lseek(handle, place, what), end)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return end


def read_manifest(path: Path) -> Manifest:
    """Return a manifest that was written earlier."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(inputs=found["inputs"], packages=found["packages"], files=found["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(
            f"{path}: is not an image manifest: {error}", hint="use the .manifest.json next to the image"
        ) from None


def differences(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """Return what differs, a line each: + came, - went, ! changed."""
    found = []
    for what, before, after in (
        ("input", old.inputs, new.inputs),
        ("package", old.packages, new.packages),
        ("file", old.files, new.files),
    ):
        for name in sorted({*before, *after}):
            was, now = before.get(name), after.get(name)
            if was is None:
                found.append(f"+ {what} {name}: {now}")
            elif now is None:
                found.append(f"- {what} {name}: {was}")
            elif was != now:
                found.append(f"! {what} {name}: {was} -> {now}")
    return tuple(found)


def spdx(manifest: Manifest, name: str, *, epoch: int) -> str:
    """Return the packages as an SPDX 2.3 document (https://spdx.github.io/spdx-spec/v2.3/)."""
    packages = [
        {
            "SPDXID": f"SPDXRef-Package-{number}",
            "name": key.partition(":")[0],
            "versionInfo": line.split()[0],
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "externalRefs": [
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": purl(key.partition(":")[0], *line.split()),
                }
            ],
        }
        for number, (key, line) in enumerate(manifest.packages.items(), 1)
    ]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://consul-docker-host.example/images/{name}-{manifest.digest}",
        "creationInfo": {
            "created": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: consul-docker-host"],
        },
        "packages": packages,
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": one["SPDXID"], "relationshipType": "DESCRIBES"}
            for one in packages
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def purl(name: str, version: str, architecture: str) -> str:
    """Return a Debian package's address as package-url has it."""
    qualifiers = {"arch": architecture}
    return PackageURL(type="deb", namespace="debian", name=name, version=version, qualifiers=qualifiers).to_string()
