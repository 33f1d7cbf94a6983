"""Remember the inputs of the last build, so that a build that is up to date is not repeated.

This module has no heavy imports, because a build that is up to date only reads its inputs, compares and reports.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.programs import find_fpm
from consul_docker_host.core.run import find_program
from consul_docker_host.core.workspace import Workspace, cache_path, content_key, file_digest, write_text

INPUT_FOLDERS = ("files", "packaging")
INPUT_FILES = ("CHANGELOG.md", "locks/build.txt")
# A parser that was installed since the last build causes a new build, which runs it.
PARSER_PROGRAMS = ("systemd-analyze", "dnsmasq", "consul", "nft")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A remembered build: the key of its inputs, its lines for the user, each artefact's SHA-256 by path in dist/.

    ``outside`` has the SHA-256 of the files that were read because settings name them, by path.
    """

    key: str
    lines: tuple[str, ...]
    outputs: Mapping[str, str]
    outside: Mapping[str, str]


def input_files(work: Workspace) -> Iterator[Path]:
    """Yield every file that an artefact may depend on, sorted."""
    for folder in INPUT_FOLDERS:
        for parent, folders, names in os.walk(work.root / folder):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            yield from (Path(parent, name) for name in sorted(names))
    yield from (work.root / name for name in INPUT_FILES if (work.root / name).exists())


def build_key(work: Workspace, *, backend: str, targets: tuple[str, ...], settings: Path | None) -> str:
    """Return one key for everything that affects the artefacts: inputs, settings, backend, targets, parsers, clock."""
    parts: list[bytes | str] = [sys.version, os.environ.get("SOURCE_DATE_EPOCH", ""), backend, *targets]
    # `auto` depends on whether fpm is installed, so the fpm that it would use is part of the key.
    parts.append(str(find_fpm() if backend != "nfpm" else None))
    parts += [str(find_program(name, first=[cache_path("bin")])) for name in PARSER_PROGRAMS]
    for path in input_files(work):
        parts += [str(path.relative_to(work.root)), path.read_bytes()]
    if settings:
        parts += [str(settings), settings.read_bytes()]
    return content_key(parts)


def state_file(work: Workspace) -> Path:
    """Return the path of the record."""
    return work.build / "built.json"


def last_build(work: Workspace) -> Built | None:
    """Return the remembered build, or None if there is no readable record."""
    try:
        state = json.loads(state_file(work).read_text(encoding="utf-8"))
        return Built(
            key=state["key"],
            lines=tuple(state["lines"]),
            outputs=dict(state["outputs"]),
            outside=dict(state["outside"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_current(work: Workspace, built: Built | None, key: str) -> bool:
    """Return whether the remembered build has this key and its artefacts are unchanged."""
    if built is None or built.key != key:
        return False
    files = {work.dist / name: digest for name, digest in built.outputs.items()}
    files |= {Path(name): digest for name, digest in built.outside.items()}
    return all(file_digest(path) == digest for path, digest in files.items())


def remember(work: Workspace, built: Built) -> None:
    """Write the record of a finished build."""
    state = {"key": built.key, "lines": built.lines, "outputs": dict(built.outputs), "outside": dict(built.outside)}
    write_text(state_file(work), json.dumps(state, indent=1) + "\n")
