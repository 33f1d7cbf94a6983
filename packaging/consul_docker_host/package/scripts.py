"""What every maintainer script does for a renamed configuration file, put into copies of those that need it.

dpkg and rpm know files by their names alone: an edited one under a name that is gone would be forgotten beside a fresh
one. Without a rename the scripts are those of packaging/scripts, byte for byte.
"""

from __future__ import annotations

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
        write_text(made[name], inserted(scripts[name].read_text(encoding="utf-8"), lines))
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


def inserted(script: str, lines: str) -> str:
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
            raise BuildError(f"{where}.to: /{one.path} is no file of the package", hint="give the new name")
