"""What apt's indices say of a deb, read from the file itself (deb(5)), whatever system this is."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from consul_docker_host.errors import BuildError
from consul_docker_host.repository.catalogue import Item

MAGIC = b"!<arch>\n"
HEADER_SIZE = 60
CONTROL = "control.tar"


def read_deb(file: Path, path: str) -> Item:
    """Return the item of a deb; what is none raises BuildError."""
    data = file.read_bytes()
    control = control_text(data, file)
    fields = control_fields(control)
    missing = [name for name in ("Package", "Version", "Architecture") if name not in fields]
    if missing:
        raise BuildError(f"{file}: its control file has no {' and no '.join(missing)}")
    digest = hashlib.sha256(data).hexdigest()
    # Description is the last field by custom: what apt needs to fetch the file stands before it.
    stanza = f"{control.strip()}\nFilename: {path}\nSize: {len(data)}\nSHA256: {digest}\n"
    return Item(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        path=path,
        size=len(data),
        sha256=digest,
        unsigned=digest,
        texts=(stanza,),
    )


def control_text(data: bytes, file: Path) -> str:
    """Return the text of a deb's control file."""
    for name, content in members(data, file):
        if name.startswith(CONTROL):
            try:
                with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                    found = next(entry for entry in tar if entry.name.lstrip("./") == "control")
                    extracted = tar.extractfile(found)
                    return extracted.read().decode() if extracted else ""
            except (tarfile.TarError, StopIteration, EOFError, UnicodeDecodeError) as error:
                hint = "it is damaged, or compressed by zstd: build it with xz or gzip"
                raise BuildError(f"{file}: {name} cannot be read", hint=hint) from error
    raise BuildError(f"{file}: is no deb", hint="./inv build makes one; move other files out of dist/")


def members(data: bytes, file: Path) -> list[tuple[str, bytes]]:
    """Return the members of an ar archive by name (ar(5))."""
    found = []
    if data[: len(MAGIC)] != MAGIC:
        raise BuildError(f"{file}: is no deb", hint="./inv build makes one; move other files out of dist/")
    position = len(MAGIC)
    while position + HEADER_SIZE <= len(data):
        header = data[position : position + HEADER_SIZE]
        size = header[48:58].strip()
        if not size.isdigit():
            break
        start = position + HEADER_SIZE
        found.append((header[:16].decode("ascii", "replace").strip().rstrip("/"), data[start : start + int(size)]))
        position = start + int(size) + int(size) % 2
    return found


def control_fields(control: str) -> dict[str, str]:
    """Return the one-line fields of a control file by name."""
    lines = (line.partition(":") for line in control.splitlines() if line[:1] not in {" ", "\t", "#", ""})
    return {name: value.strip() for name, _, value in lines}
