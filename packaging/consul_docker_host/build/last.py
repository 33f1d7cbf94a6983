"""What the last build was made from, so that an unchanged one is not made again.

Kept free of heavy imports: a build that has nothing to do reads its inputs, compares and says so.
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
# A parser that was not there at the last build is asked as soon as it is.
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
    """Return one key for all that decides the artefacts: inputs, settings, backend, targets, parsers and the clock."""
    parts: list[bytes | str] = [sys.version, os.environ.get("SOURCE_DATE_EPOCH", ""), backend, *targets]
    # `auto` depends on what is installed, so what it means today is part of the key.
    parts.append(str(find_fpm() if backend != "nfpm" else None))
    parts += [str(find_program(name, first=[cache_path("bin")])) for name in PARSER_PROGRAMS]
    for path in input_files(work):
        parts += [str(path.relative_to(work.root)), path.read_bytes()]
    if settings:
        parts += [str(settings), settings.read_bytes()]
    return content_key(parts)


def state_file(work: Workspace) -> Path:
    """Return the file that holds what is remembered."""
    return work.build / "built.json"


def last_build(work: Workspace) -> Built | None:
    """Return the remembered build, or None where there is none that can be read."""
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
    """Tell whether the remembered build has this key and its artefacts are still what it wrote."""
    if built is None or built.key != key:
        return False
    files = {work.dist / name: digest for name, digest in built.outputs.items()}
    files |= {Path(name): digest for name, digest in built.outside.items()}
    return all(file_digest(path) == digest for path, digest in files.items())


def remember(work: Workspace, built: Built) -> None:
    """Write down a finished build."""
    state = {"key": built.key, "lines": built.lines, "outputs": dict(built.outputs), "outside": dict(built.outside)}
    write_text(state_file(work), json.dumps(state, indent=1) + "\n")
