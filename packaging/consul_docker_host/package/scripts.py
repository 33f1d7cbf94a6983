"""What every maintainer script does for a renamed configuration file, put into copies of those that need it.

dpkg and rpm know files by their names alone: an edited one under a name that is gone would be forgotten beside a fresh
one. Without a rename the scripts are those of packaging/scripts, byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import PROJECT, write_text
from consul_docker_host.package.description import Format, Renamed

DEB = """\
# An edited /{former} becomes /{path}, which it has been since {since}.
dpkg-maintscript-helper mv_conffile /{former} /{path} {since}~ -- "$@"
"""
# dpkg takes a file that is missing under its former name for one that the administrator deleted, and a downgrade would
# leave neither.
DEB_BACK = """\
if [ "$1" = upgrade ] && dpkg --compare-versions "$2" lt {since}~ && [ -e /{path} ] && [ ! -e /{former} ]; then
    cp -p /{path} /{former}
fi
"""
# rpm lays an edited file aside when the former version's files go, which is between these two. One from an earlier life
# of the package is nobody's wish any more, so what is seen first decides.
RPM_BEFORE = """\
[ ! -e /{former} ] || : >{mark}
"""
RPM = """\
# An edited /{former} becomes /{path}, which it has been since {since}.
if [ -e {mark} ] && [ -e /{former}.rpmsave ]; then
    mv -f /{path} /{path}.rpmnew && mv -f /{former}.rpmsave /{path}
fi
rm -f {mark}
"""
# What each script has to say of a rename, in this order.
LINES: dict[Format, dict[str, str]] = {
    # As debhelper's dh_installdeb does it: the helper decides by $1 what is to be done where.
    "deb": {"preinst": DEB, "postinst": DEB, "prerm": DEB + DEB_BACK, "postrm": DEB},
    "rpm": {"pre": RPM_BEFORE, "posttrans": RPM},
}


def with_renames(
    package_format: Format, scripts: dict[str, Path], renamed: Sequence[Renamed], folder: Path
) -> dict[str, Path]:
    """Return the scripts by name; those that have to do with a rename are written to ``folder``, by the same names."""
    if not renamed:
        return scripts
    lost = sorted(set(LINES[package_format]) - set(scripts))
    if lost:
        raise BuildError(f"scripts.{package_format}.{lost[0]}: is needed by renamed", hint="an empty one will do")
    values = [{**one.model_dump(), "mark": f"/run/{PROJECT}-renamed-{n}"} for n, one in enumerate(renamed)]
    made = {}
    for name, template in LINES[package_format].items():
        made[name] = folder / name
        lines = "".join(template.format(**each) for each in values)
        write_text(made[name], inserted(scripts[name].read_text(encoding="utf-8"), lines))
    return scripts | made


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
