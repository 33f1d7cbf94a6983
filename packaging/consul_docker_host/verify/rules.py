"""Check the rendered tree in this process, before any package is written and without other programs."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from consul_docker_host.package.plan import Entry, Plan

UNIT_SUFFIXES = (".service", ".target", ".path", ".timer", ".socket", ".network", ".netdev")
OWN_PREFIX = "consul-docker-host"
# Everything else on a host belongs to other packages or to nobody.
ROOTS = ("etc/", "usr/bin/", "usr/lib/", "usr/share/")
SECTION = re.compile(r"\[[A-Z][A-Za-z-]*\]")
DIRECTIVE = re.compile(r"[A-Z][A-Za-z0-9]*=.*")
PROGRAM = re.compile(r"^Exec[A-Za-z]*=[@+!:-]*(/\S+)", re.MULTILINE)
OWN_UNIT = re.compile(rf"\b{OWN_PREFIX}[a-z-]*\.(?:service|target|path|timer)\b")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fault of one file: its path on the host, the line (0: the file as a whole) and the reason."""

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        position = f"/{self.path}:{self.line}" if self.line else f"/{self.path}"
        return f"{position}: {self.reason}"


def check_tree(plan: Plan) -> list[Finding]:
    """Return every fault of the tree that can be found without another program."""
    findings: list[Finding] = []
    for entry in plan.entries:
        content = (plan.tree / entry.path).read_bytes()
        findings += check_path(entry, content)
        if not entry.path.endswith(".gz"):
            findings += check_text(entry.path, content)
            checker = checker_for(entry.path)
            if checker:
                findings += checker(entry.path, content.decode(errors="replace"))
    return findings + list(check_units_together(plan))


def check_path(entry: Entry, content: bytes) -> Iterator[Finding]:
    """Yield the faults of a file's path and mode."""
    if not entry.path.startswith(ROOTS) or ".." in PurePosixPath(entry.path).parts:
        yield Finding(path=entry.path, line=0, reason=f"lies outside {', '.join(ROOTS)}")
    if entry.mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield Finding(path=entry.path, line=0, reason=f"mode {entry.mode:04o} lets users other than root write")
    is_script, is_executable = content.startswith(b"#!"), bool(entry.mode & stat.S_IXUSR)
    if is_script != is_executable:
        reason = "is a script without the executable bit" if is_script else "is executable but not a script"
        yield Finding(path=entry.path, line=0, reason=f"mode {entry.mode:04o}: {reason}")


def check_text(path: str, content: bytes) -> Iterator[Finding]:
    """Yield the faults of a file as a text: every shipped file is UTF-8, and each line ends with a line feed."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        yield Finding(path=path, line=content[: error.start].count(b"\n") + 1, reason="is not UTF-8")
        return
    if "\r" in text or "\0" in text:
        yield Finding(path=path, line=0, reason="contains a carriage return or a NUL")
    if text and not text.endswith("\n"):
        yield Finding(path=path, line=text.count("\n") + 1, reason="does not end with a line feed")


def check_json(path: str, text: str) -> Iterator[Finding]:
    """Yield a JSON file's mistake."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        yield Finding(path=path, line=error.lineno, reason=error.msg)


def check_unit(path: str, text: str) -> Iterator[Finding]:
    """Yield the lines of a unit that systemd would ignore (systemd.syntax(7))."""
    section = continued = False
    for number, line in enumerate(text.splitlines(), 1):
        was_continued, continued = continued, line.endswith("\\")
        if was_continued or not line.strip() or line.startswith(("#", ";")):
            continue
        if SECTION.fullmatch(line):
            section = True
        elif not DIRECTIVE.fullmatch(line):
            yield Finding(path=path, line=number, reason=f"is neither a section nor Name=value: {line!r}")
        elif not section:
            yield Finding(path=path, line=number, reason="is before the first section")


def check_variables(path: str, text: str) -> Iterator[Finding]:
    """Yield the lines of an environment file that are not NAME=value."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#") and not VARIABLE.fullmatch(line):
            yield Finding(path=path, line=number, reason=f"is not NAME=value: {line!r}")


def checker_for(path: str) -> Callable[[str, str], Iterator[Finding]] | None:
    """Return the check for a file, chosen by its name."""
    name = PurePosixPath(path)
    if name.suffix == ".json":
        return check_json
    if name.suffix in UNIT_SUFFIXES or (name.suffix == ".conf" and path.startswith("usr/lib/systemd/")):
        return check_unit
    if name.suffix == ".env" or name.parent == PurePosixPath("etc/default"):
        return check_variables
    return None


def check_units_together(plan: Plan) -> Iterator[Finding]:
    """Yield our own programs and units that a unit names but the tree does not contain."""
    paths = {entry.path: entry for entry in plan.entries}
    # A unit that the settings switched off may still be named, because systemd ignores a missing unit.
    unit_paths = (path for path in (*paths, *plan.left_out) if path.startswith("usr/lib/systemd/system/"))
    units = {PurePosixPath(path).name for path in unit_paths}
    for path in paths:
        if not path.startswith("usr/lib/systemd/system/"):
            continue
        text = Path(plan.tree / path).read_text(encoding="utf-8", errors="replace")
        for match in PROGRAM.finditer(text):
            program = match[1].lstrip("/")
            if OWN_PREFIX in program and not (program in paths and paths[program].mode & stat.S_IXUSR):
                yield Finding(
                    path=path, line=_line(text, match), reason=f"/{program} is not an executable of this package"
                )
        for match in OWN_UNIT.finditer(text):
            if match[0] not in units:
                yield Finding(path=path, line=_line(text, match), reason=f"{match[0]} is not a unit of this package")


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1
