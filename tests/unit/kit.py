"""Tools of the unit and package tests: copies of the checkout, fake programs, readers of what is shipped."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import ROOT, Workspace, file_digest
from consul_docker_host.package.plan import Plan
from consul_docker_host.package.plans import make_plan
from consul_docker_host.settings.load import project_settings
from consul_docker_host.settings.model import Table

DEFAULTS = ROOT / "packaging" / "settings.toml"
GOLDEN = ROOT / "tests" / "golden"
RICH = GOLDEN / "rich.toml"
# All that a build reads, and the tasks that start one.
CHECKOUT_FOLDERS = ("files", "packaging", "locks")
CHECKOUT_FILES = ("CHANGELOG.md", "pyproject.toml", "tasks.py", "LICENSE")
TASK_TIMEOUT = 120.0
# Armoured as a public key is; no key.
ARCHIVE_KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBGX=\n-----END PGP PUBLIC KEY BLOCK-----\n"


def model_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return every key of the model's tables, dotted; services are documented apart."""
    keys = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Table):
            keys += model_keys(annotation, f"{prefix}{name}.")
        elif name != "services":
            keys.append(f"{prefix}{name}")
    return keys


def copy_checkout(target: Path, *, reverse: bool = False) -> Workspace:
    """Copy what a build reads and return the copy as a workspace; ``reverse`` makes the files in reversed order."""
    sources = [path for folder in CHECKOUT_FOLDERS for path in walk(ROOT / folder)]
    sources += [ROOT / name for name in CHECKOUT_FILES]
    for source in sorted(sources, reverse=reverse):
        copied = target / source.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copied)
    return Workspace(root=target)


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, sorted, without Python's caches."""
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


def snapshot(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Return content (as SHA-256), mode and time stamp of every file below a folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): (file_digest(path), path.stat().st_mode & 0o7777, path.stat().st_mtime_ns)
        for path in walk(folder)
    }


def replace_in(path: Path, old: str, new: str) -> None:
    """Replace a text that a file holds exactly once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} holds {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


def plan_of(work: Workspace, settings: str = "") -> Plan:
    """Render a workspace with the text of a settings file."""
    if not settings:
        return make_plan(project_settings(work), work)
    path = work.root / "my.toml"
    path.write_text(settings, encoding="utf-8")
    return make_plan(project_settings(work, path), work)


def fake_program(folder: Path, name: str, body: str) -> Path:
    """Write a shell script that stands for a program; put its folder first on the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


def path_with(folder: Path) -> str:
    """Return a PATH that begins with a folder."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def inv(work: Workspace, *arguments: str, env: Mapping[str, str] | None = None, before: str = "") -> Result:
    """Run a task in a workspace as ./inv does and return how it ended; ``before`` is shell text that runs first."""
    argv = [sys.executable, str(work.root / "tasks.py"), *arguments]
    if before:
        argv = ["sh", "-c", f'{before}\nexec "$@"', "sh", *argv]
    return run(argv, cwd=work.root, env=env, timeout=TASK_TIMEOUT, check=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One ``Name=value`` of a unit, with its section."""

    section: str
    name: str
    value: str


def read_unit(text: str) -> list[Directive]:
    """Read a unit as systemd.syntax(7) has it: comments, sections, directives, continued lines."""
    found: list[Directive] = []
    section, pending = "", ""
    for line in text.split("\n"):
        if not pending and (not line.strip() or line.lstrip().startswith(("#", ";"))):
            continue
        if pending and line.lstrip().startswith(("#", ";")):
            continue
        logical = pending + line
        if logical.endswith("\\"):
            pending = logical[:-1] + " "
            continue
        pending = ""
        if logical.startswith("[") and logical.rstrip().endswith("]"):
            section = logical.strip()[1:-1]
            continue
        name, equal, value = logical.partition("=")
        assert equal, f"neither a section nor Name=value: {logical!r}"
        assert section, f"before the first section: {logical!r}"
        found.append(Directive(section=section, name=name.strip(), value=value.strip()))
    return found
