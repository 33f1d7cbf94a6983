"""Read a deb's entry for apt's indices from the file itself (deb(5)), on any system."""

from __future__ import annotations

import hashlib
from pathlib import Path

from debian.arfile import ArError
from debian.deb822 import Deb822
from debian.debfile import DebFile

from consul_docker_host.core.errors import BuildError
from consul_docker_host.repository.catalogue import Item


def read_deb(file: Path, path: str) -> Item:
    """Return the item of a deb; raise BuildError for any other file."""
    data = file.read_bytes()
    control = control_text(file)
    fields = Deb822(control)
    missing = [name for name in ("Package", "Version", "Architecture") if name not in fields]
    if missing:
        raise BuildError(f"{file}: its control file has no {' and no '.join(missing)}")
    digest = hashlib.sha256(data).hexdigest()
    # Description is usually the last field, so the fields that apt needs to fetch the file follow it.
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


def control_text(file: Path) -> str:
    """Return the text of a deb's control file."""
    try:
        with DebFile(filename=str(file)) as deb:
            try:
                return str(deb.control.get_content("control", encoding="utf-8"))
            # Each part of an archive raises errors of its own: ar, tar, five compressions, the text.
            except Exception as error:
                hint = "it is damaged, or uses an unsupported compression: build it with xz or gzip"
                raise BuildError(f"{file}: its control file cannot be read: {error}", hint=hint) from error
    except (ArError, OSError, ValueError) as error:
        raise BuildError(
            f"{file}: is not a deb", hint="./inv build makes one; move other files out of dist/"
        ) from error
