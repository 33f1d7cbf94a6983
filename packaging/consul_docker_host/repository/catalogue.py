"""What is known of each package file, kept between runs by name, size and time stamp: only new files are read.

The catalogue is a memory and nothing else. What the repository holds is told by its folders; without a catalogue every
file is read again.
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
FORM = 1  # of the file; another one is not read


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One package: its place below the archive's folder, the SHA-256 of the file and of its content before signing.

    ``texts`` are what the indices say of it, made by the reader of its format.
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
    """Tell whether a package is HashiCorp's program, or has its name."""
    return item.name in CONSUL


Reader = Callable[[Path, str], Item]


@dataclass(kw_only=True)
class Catalogue:
    """The remembered items of one format and channel."""

    file: Path
    _known: dict[str, list[Any]] = field(default_factory=dict, init=False)
    _asked: dict[str, list[Any]] = field(default_factory=dict, init=False)

    def load(self) -> Catalogue:
        """Read what is remembered; nothing where that cannot be read."""
        try:
            state = json.loads(self.file.read_text(encoding="utf-8"))
            self._known = dict(state["items"]) if state["form"] == FORM else {}
        except (OSError, ValueError, KeyError, TypeError):
            self._known = {}
        return self

    def item(self, file: Path | str, path: str, read: Reader) -> Item:
        """Return the item of ``file``, which lies at ``path`` below the archive's folder."""
        status = os.stat(file)  # noqa: PTH116 - thousands of times
        mark = [status.st_size, status.st_mtime_ns]
        known = self._known.get(path)
        if known is None or known[:2] != mark:
            item = read(Path(file), path)
            texts = list(item.texts)
            known = [*mark, item.name, item.version, item.architecture, item.sha256, item.unsigned, texts]
        self._asked[path] = known
        size, _, name, version, architecture, sha256, unsigned, texts = known
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
        """Write down what was asked for, where that differs from what was remembered."""
        if self._asked != self._known:
            write_text(self.file, json.dumps({"form": FORM, "items": self._asked}, separators=(",", ":")))
