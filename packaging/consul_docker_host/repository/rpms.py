"""Read an rpm's entry for dnf's metadata with createrepo_c's library, and the digest of the bytes that are not signed.

The library is a wheel that the lock pins. It works on systems without a package of createrepo_c, and returns the text
of each package, so that only new ones are read.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.repository.catalogue import Item

LEAD_SIZE = 96
LEAD_MAGIC = b"\xed\xab\xee\xdb"
HEADER_MAGIC = b"\x8e\xad\xe8"
CHANGES = 10  # the default of createrepo_c for entries of the changelog


def read_rpm(file: Path, path: str) -> Item:
    """Return the item of an rpm; raise BuildError for any other file."""
    import createrepo_c  # noqa: PLC0415 - 40 ms that a run without new rpms does not need

    data = file.read_bytes()
    unsigned = unsigned_digest(data, file)
    try:
        package = createrepo_c.package_from_rpm(str(file), location_href=path, changelog_limit=CHANGES)
    except (createrepo_c.CreaterepoCError, OSError) as error:
        raise BuildError(f"{file}: is not an rpm: {error}") from error
    return Item(
        name=package.name,
        version=f"{package.version}-{package.release}",
        architecture=package.arch,
        path=path,
        size=len(data),
        sha256=package.pkgId,
        unsigned=unsigned,
        texts=tuple(createrepo_c.xml_dump(package)),
    )


def unsigned_digest(data: bytes, file: Path) -> str:
    """Return the SHA-256 of everything after an rpm's signature header, which signing does not change."""
    head = data[LEAD_SIZE : LEAD_SIZE + 16]
    if data[:4] != LEAD_MAGIC or len(head) < 16 or head[:3] != HEADER_MAGIC:
        raise BuildError(f"{file}: is not an rpm", hint="./inv build makes one; move other files out of dist/")
    entries, size = struct.unpack(">II", head[8:16])
    length = 16 + 16 * entries + size
    start = LEAD_SIZE + length + (-length) % 8
    return hashlib.sha256(data[start:]).hexdigest()
