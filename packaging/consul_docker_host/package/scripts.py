"""Maintainer scripts as a package gets them, each one complete file: what deb and rpm share, and what a rename adds.

A script names what it shares by a line `. lifecycle/NAME.sh`, which shellcheck follows in the checkout; no such file is
on a host, so the text takes the line's place. dpkg and rpm know configuration files by their names alone: an edited one
under a name that is gone would be forgotten beside a fresh one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import PROJECT, write_text
from consul_docker_host.package.description import Format, Renamed

# What each script has to do with a rename: fragments of packaging/scripts/renamed, in this order.
FRAGMENTS: dict[Format, dict[str, tuple[str, ...]]] = {
    "deb": {"preinst": ("deb",), "postinst": ("deb",), "prerm": ("deb", "deb-prerm"), "postrm": ("deb",)},
    "rpm": {"pre": ("rpm-pre",), "posttrans": ("rpm-posttrans",)},
}
SHARED = re.compile(r"^\. (lifecycle/[a-z-]+\.sh)\n", re.MULTILINE)


def with_lifecycle(scripts: dict[str, Path], folder: Path, *, source: Path) -> dict[str, Path]:
    """Return the scripts by name; those that share text are written to ``folder`` with it, by the same names.

    ``source`` is the directory in which the lines find their files; one that is missing raises BuildError.
    """
    made = {}
    for name, path in scripts.items():
        text = path.read_text(encoding="utf-8")
        for shared in SHARED.findall(text):
            if not (source / shared).is_file():
                raise BuildError(f"{path}: {shared}: no such file below {source}")
        completed = SHARED.sub(lambda line: fragment_body(source / line[1]), text)
        if completed != text:
            made[name] = folder / name
            write_text(made[name], completed)
    return scripts | made


def with_renames(
    package_format: Format, scripts: dict[str, Path], renamed: Sequence[Renamed], folder: Path, *, fragments: Path
) -> dict[str, Path]:
    """Return the scripts by name; those that have to do with a rename are written to ``folder``, by the same names.

    ``fragments`` is the directory of what they are given.
    """
    if not renamed:
        return scripts
    lost = sorted(set(FRAGMENTS[package_format]) - set(scripts))
    if lost:
        raise BuildError(f"scripts.{package_format}.{lost[0]}: is needed by renamed", hint="an empty one will do")
    made = {}
    for name, parts in FRAGMENTS[package_format].items():
        made[name] = folder / name
        body = "".join(fragment_body(fragments / part) for part in parts)
        lines = "".join(values_of(one, number) + body for number, one in enumerate(renamed))
        write_text(made[name], insert_lines(scripts[name].read_text(encoding="utf-8"), lines))
    return scripts | made


def values_of(renamed: Renamed, number: int) -> str:
    """Return the assignments that a fragment reads."""
    values = {
        "from": f"/{renamed.former}",
        "to": f"/{renamed.path}",
        "since": renamed.since,
        "mark": f"/run/{PROJECT}-renamed-{number}",
    }
    return "".join(f"renamed_{name}={shlex.quote(value)}\n" for name, value in values.items())


def fragment_body(fragment: Path) -> str:
    """Return what follows a fragment's header, which ends with an empty line."""
    return fragment.read_text(encoding="utf-8").partition("\n\n")[2]


def insert_lines(script: str, lines: str) -> str:
    """Return the script with the lines behind its header: the comment on $1, and `set -e` where that follows."""
    kept = script.splitlines(keepends=True)
    end = next((number for number, line in enumerate(kept) if not line.startswith("#")), len(kept))
    if kept[end : end + 1] == ["set -e\n"]:
        end += 1
    return "".join((*kept[:end], "\n", lines, *kept[end:]))


def refuse_lost_names(package: str, renamed: Sequence[Renamed], shipped: Collection[str]) -> None:
    """Raise BuildError where a rename leads from a file that is still there, or to one that is not."""
    for number, one in enumerate(renamed):
        where = f"packages/{package}.toml:renamed.{number}"
        if one.former in shipped:
            raise BuildError(f"{where}.from: /{one.former} is still a file of the package")
        if one.path not in shipped:
            raise BuildError(f"{where}.to: /{one.path} is not a file of the package", hint="give the new name")
