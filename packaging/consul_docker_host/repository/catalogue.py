"""Remember each package file between runs by name, size and time stamp, so that only new files are read.

The catalogue is only a cache. The directories determine what the repository contains; without a catalogue every file is
read again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consul_docker_host.core.workspace import write_text

CONSUL = ("consul", "consul-enterprise")
FORM = 1  # the version of the file's format; any other is not read


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One package: its path below the archive's directory, the SHA-256 of the file and of its content before signing.

    ``texts`` are its entries in the indices, written by the reader of its format.
    """

    name: str
    version: str
    architecture: str
    path: str
    size: int
    sha256: str
    unsigned: str
    texts: tuple[str, ...]


def is_consul(item: Item) -> bool:
    """Return whether a package has the name of HashiCorp's Consul."""
    return item.name in CONSUL


Reader = Callable[[Path, str], Item]


@dataclass(kw_only=True)
class Catalogue:
    """The remembered items of one format and channel."""

    file: Path
    _remembered: dict[str, list[Any]] = field(default_factory=dict, init=False)
    _used: dict[str, list[Any]] = field(default_factory=dict, init=False)

    def load(self) -> Catalogue:
        """Read the remembered items; an unreadable file counts as empty."""
        try:
            state = json.loads(self.file.read_text(encoding="utf-8"))
            self._remembered = dict(state["items"]) if state["form"] == FORM else {}
        except (OSError, ValueError, KeyError, TypeError):
            self._remembered = {}
        return self

    def item(self, file: Path | str, path: str, read: Reader) -> Item:
        """Return the item of ``file``, whose path below the archive's directory is ``path``."""
        status = os.stat(file)  # noqa: PTH116 - thousands of times
        mark = [status.st_size, status.st_mtime_ns]
        entry = self._remembered.get(path)
        if entry is None or entry[:2] != mark:
            item = read(Path(file), path)
            texts = list(item.texts)
            entry = [*mark, item.name, item.version, item.architecture, item.sha256, item.unsigned, texts]
        self._used[path] = entry
        size, _, name, version, architecture, sha256, unsigned, texts = entry
        return Item(
            name=name,
            version=version,
            architecture=architecture,
            path=path,
            size=size,
            sha256=sha256,
            unsigned=unsigned,
            texts=tuple(texts),
        )

    def save(self) -> None:
        """Write the items that were used, if they differ from the remembered ones."""
        if self._used != self._remembered:
            write_text(self.file, json.dumps({"form": FORM, "items": self._used}, separators=(",", ":")))
