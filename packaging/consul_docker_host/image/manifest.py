"""List the content of a root, every file with its hash and every package with its version: as a manifest and as SPDX.

The differences of two manifests are those of their images. The digest of a manifest identifies its content.
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
FILE_TYPES = {stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Inputs by name, packages by name as ``VERSION ARCHITECTURE``, and files by path as one line each."""

    inputs: Mapping[str, str]
    packages: Mapping[str, str]
    files: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The ID of the content, independent of the inputs that led to it."""
        lines = [f"{path} {line}" for path, line in self.files.items()]
        return content_key([*(f"{name} {version}" for name, version in self.packages.items()), *lines])

    def text(self) -> str:
        """Return the manifest as JSON."""
        body = {"version": VERSION, "digest": self.digest, "inputs": dict(self.inputs)}
        return json.dumps({**body, "packages": dict(self.packages), "files": dict(self.files)}, indent=1) + "\n"


def read_tree(tree: Path, inputs: Mapping[str, str]) -> Manifest:
    """Return the manifest of a root."""
    return Manifest(inputs=inputs, packages=read_packages(tree), files=dict(sorted(lines_of(tree))))


def read_packages(tree: Path) -> dict[str, str]:
    """Return the packages in dpkg's database of the root."""
    line_format = "${Package}:${Architecture}\t${Version} ${Architecture}\n"
    argv = ["dpkg-query", f"--admindir={tree / 'var/lib/dpkg'}", "--show", f"--showformat={line_format}"]
    return dict(sorted(line.split("\t", 1) for line in run(argv).stdout.splitlines()))


def lines_of(tree: Path) -> Iterator[tuple[str, str]]:
    """Yield each path below the root with its file type, mode, owner, and hash or link target."""
    for parent, folders, names in os.walk(tree):
        for name in (*folders, *names):
            path = Path(parent, name)
            status = path.lstat()
            file_type = FILE_TYPES.get(stat.S_IFMT(status.st_mode), "f")
            content = ""
            if file_type == "l":
                content = str(path.readlink())
            elif file_type == "f":
                content = digest_of(path)
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            line = f"{file_type} {mode} {status.st_uid}:{status.st_gid} {content}"
            yield str(path.relative_to(tree)), line.rstrip()


def digest_of(path: Path) -> str:
    """Return a file's SHA-256, for files of any size.

    Most of a disk image is holes. They are zeros and are not read, because reading them would take most of the time.
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


def seek(handle: int, place: int, whence: int, end: int) -> int:
    """Return the offset of the next data or hole of a file, or its end if there is none."""
    try:
        return min(os.lseek(handle, place, whence), end)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return end


def read_manifest(path: Path) -> Manifest:
    """Return a manifest that was written earlier."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(inputs=content["inputs"], packages=content["packages"], files=content["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(
            f"{path}: is not an image manifest: {error}", hint="use the .manifest.json next to the image"
        ) from None


def differences(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """Return one line per difference: + added, - removed, ! changed."""
    lines = []
    for label, before, after in (
        ("input", old.inputs, new.inputs),
        ("package", old.packages, new.packages),
        ("file", old.files, new.files),
    ):
        for name in sorted({*before, *after}):
            was, now = before.get(name), after.get(name)
            if was is None:
                lines.append(f"+ {label} {name}: {now}")
            elif now is None:
                lines.append(f"- {label} {name}: {was}")
            elif was != now:
                lines.append(f"! {label} {name}: {was} -> {now}")
    return tuple(lines)


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
            {"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": item["SPDXID"], "relationshipType": "DESCRIBES"}
            for item in packages
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def purl(name: str, version: str, architecture: str) -> str:
    """Return the package URL (purl) of a Debian package."""
    qualifiers = {"arch": architecture}
    return PackageURL(type="deb", namespace="debian", name=name, version=version, qualifiers=qualifiers).to_string()
