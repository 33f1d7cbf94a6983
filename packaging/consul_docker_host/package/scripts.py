"""Assemble each maintainer script into one complete file: with the text that deb and rpm share, and code for renames.

A script includes shared text by a line `. lifecycle/NAME.sh`, which shellcheck follows in the checkout. A host has no
such file, so the text replaces the line. dpkg and rpm identify configuration files by name: without the code for
renames an edited file would stay behind under its old name, beside a fresh one under the new name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import PROJECT, write_text
from consul_docker_host.package.description import Format, Renamed

# The fragments of packaging/scripts/renamed that each script runs for a rename, in this order.
FRAGMENTS: dict[Format, dict[str, tuple[str, ...]]] = {
    "deb": {"preinst": ("deb",), "postinst": ("deb",), "prerm": ("deb", "deb-prerm"), "postrm": ("deb",)},
    "rpm": {"pre": ("rpm-pre",), "posttrans": ("rpm-posttrans",)},
}
SHARED = re.compile(r"^\. (lifecycle/[a-z-]+\.sh)\n", re.MULTILINE)


def with_lifecycle(scripts: dict[str, Path], folder: Path, *, source: Path) -> dict[str, Path]:
    """Return the scripts by name; those that include shared text are written to ``folder``, under the same names.

    ``source`` is the directory of the included files; a missing file raises BuildError.
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
    """Return the scripts by name; those with code for renames are written to ``folder``, under the same names.

    ``fragments`` is the directory with that code.
    """
    if not renamed:
        return scripts
    lost = sorted(set(FRAGMENTS[package_format]) - set(scripts))
    if lost:
        raise BuildError(f"scripts.{package_format}.{lost[0]}: is needed by renamed", hint="an empty script is enough")
    made = {}
    for name, parts in FRAGMENTS[package_format].items():
        made[name] = folder / name
        body = "".join(fragment_body(fragments / part) for part in parts)
        lines = "".join(values_of(rename, number) + body for number, rename in enumerate(renamed))
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
    """Return a fragment's text without its header, which ends with an empty line."""
    return fragment.read_text(encoding="utf-8").partition("\n\n")[2]


def insert_lines(script: str, lines: str) -> str:
    """Return the script with the lines inserted after its header: the comment on $1, and `set -e` if that follows."""
    kept = script.splitlines(keepends=True)
    end = next((number for number, line in enumerate(kept) if not line.startswith("#")), len(kept))
    if kept[end : end + 1] == ["set -e\n"]:
        end += 1
    return "".join((*kept[:end], "\n", lines, *kept[end:]))


def refuse_lost_names(package: str, renamed: Sequence[Renamed], shipped: Collection[str]) -> None:
    """Raise BuildError if a rename's old file is still shipped, or its new file is not."""
    for number, rename in enumerate(renamed):
        entry = f"packages/{package}.toml:renamed.{number}"
        if rename.former in shipped:
            raise BuildError(f"{entry}.from: /{rename.former} is still a file of the package")
        if rename.path not in shipped:
            raise BuildError(f"{entry}.to: /{rename.path} is not a file of the package", hint="give the new name")
