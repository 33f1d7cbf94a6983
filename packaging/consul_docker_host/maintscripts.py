"""What every maintainer script does for a renamed configuration file, put into copies of those that need it.

dpkg and rpm know files by their names alone: an edited one under a name that is gone would be forgotten beside a fresh
one. Without a rename the scripts are those of packaging/scripts, byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from consul_docker_host.errors import BuildError
from consul_docker_host.payload import Format, Renamed
from consul_docker_host.workspace import write_text

# As debhelper's dh_installdeb does it: the helper decides by $1 what is to be done where.
DEB_SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
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
# rpm has laid an edited file aside when the former version's files went, which is before this script.
RPM = """\
# An edited /{former} becomes /{path}, which it has been since {since}.
if [ "${{1:-1}}" -gt 1 ] && [ -e /{former}.rpmsave ]; then
    mv -f /{path} /{path}.rpmnew && mv -f /{former}.rpmsave /{path}
fi
"""


def with_renames(
    package_format: Format, scripts: dict[str, Path], renamed: Sequence[Renamed], folder: Path
) -> dict[str, Path]:
    """Return the scripts by name; those that have to do with a rename are written to ``folder``, by the same names."""
    if not renamed:
        return scripts
    template, concerned = (DEB, DEB_SCRIPTS) if package_format == "deb" else (RPM, ("posttrans",))
    lost = sorted(set(concerned) - set(scripts))
    if lost:
        raise BuildError(f"scripts.{package_format}.{lost[0]}: is needed by renamed", hint="an empty one will do")
    lines = "".join(template.format(**one.model_dump()) for one in renamed)
    made = {}
    for name in concerned:
        made[name] = folder / name
        more = "".join(DEB_BACK.format(**one.model_dump()) for one in renamed) if name == "prerm" else ""
        text = inserted(scripts[name].read_text(encoding="utf-8"), lines + more)
        write_text(made[name], text)
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
