"""The content of a package: its description from packages/NAME.toml, and the files below files/.

This module holds values and renders nothing. A source is a file in the checkout with its path on the host and the
condition under which it is shipped.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from consul_docker_host.core.errors import BuildError, Mistakes

TEMPLATE_SUFFIX = ".j2"
# A README explains its directory to developers, and is never part of a package.
NOT_SHIPPED = frozenset({"README.md"})
# Templates include these parts; none is shipped as a file of its own.
PARTIAL = "_*.j2"
# Python writes bytecode beside modules that somebody runs in the checkout; it is never shipped.
BYTECODE = "__pycache__"
CONFFILE_FOLDER = "etc/"
Format = Literal["deb", "rpm"]
FORMATS: tuple[Format, ...] = ("deb", "rpm")


class Description(BaseModel):
    """A closed, frozen table of packages/NAME.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dependency(Description):
    """One relation, by the name that each format's distributions use; empty if they have no such package."""

    deb: str = ""
    rpm: str = ""
    when: str = ""


class Relations(Description):
    """All relations of a package."""

    depends: tuple[Dependency, ...] = ()
    recommends: tuple[Dependency, ...] = ()
    suggests: tuple[Dependency, ...] = ()
    conflicts: tuple[Dependency, ...] = ()

    def named(self, kind: str, package_format: Format) -> tuple[str, ...]:
        """Return the relations of one kind, by the names of one format's distributions."""
        dependencies: tuple[Dependency, ...] = getattr(self, kind)
        names = (entry.deb if package_format == "deb" else entry.rpm for entry in dependencies)
        return tuple(name for name in names if name)


class DebScripts(Description):
    """Maintainer scripts of the deb, file names in scripts/deb."""

    preinst: str = ""
    postinst: str = ""
    prerm: str = ""
    postrm: str = ""
    triggers: str = ""


class RpmScripts(Description):
    """Scriptlets of the rpm, file names in scripts/rpm."""

    pre: str = ""
    post: str = ""
    preun: str = ""
    postun: str = ""
    posttrans: str = ""


class Scripts(Description):
    """The scripts of both formats."""

    deb: DebScripts = DebScripts()
    rpm: RpmScripts = RpmScripts()


class FileRule(Description):
    """The exceptions for one path: by default a file is 0644 root:root, and a conffile if it is below etc/."""

    path: str
    source: str = ""
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3}$")] = "0644"
    when: str = ""
    for_each: Literal["", "services"] = ""
    formats: tuple[Format, ...] = FORMATS


class Folder(Description):
    """A directory that the package owns although it ships no file in it."""

    path: str
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3}$")] = "0755"


class Renamed(Description):
    """A configuration file that was renamed in a version; an administrator's changes move to the new name."""

    former: Annotated[str, Field(alias="from", pattern=r"^etc/[\w./-]+$")]
    path: Annotated[str, Field(alias="to", pattern=r"^etc/[\w./-]+$")]
    since: Annotated[str, Field(pattern=r"^\d[\w.+]*$")]


class PackageDescription(Description):
    """One package, as packages/NAME.toml describes it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$")]
    summary: str
    description: str
    section: str
    priority: str
    license: str
    architecture: Literal["all", "amd64", "arm64"]
    relations: Relations = Relations()
    scripts: Scripts = Scripts()
    files: tuple[FileRule, ...] = ()
    folders: tuple[Folder, ...] = ()
    renamed: tuple[Renamed, ...] = ()

    @model_validator(mode="after")
    def _one_rule_a_path(self) -> Self:
        paths = [rule.path for rule in self.files]
        repeated = {path for path in paths if paths.count(path) > 1}
        if repeated:
            raise ValueError(f"more than one rule for {', '.join(sorted(repeated))}")
        return self


class Source(Description):
    """One file of the payload: its path on the host, its source and its rule."""

    path: str
    source: Path
    rule: FileRule

    @property
    def is_template(self) -> bool:
        """Whether the file is rendered rather than copied."""
        return self.source.suffix == TEMPLATE_SUFFIX

    @property
    def is_conffile(self) -> bool:
        """Whether the administrator's changes to it survive an upgrade."""
        return self.path.startswith(CONFFILE_FOLDER)


def load_package(path: Path) -> PackageDescription:
    """Read packages/NAME.toml; a mistake raises BuildError with file and key."""
    try:
        return PackageDescription.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BuildError(f"{path}: {error}") from error
    except ValidationError as error:
        lines = (f"{path}:{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
        raise BuildError("\n".join(lines)) from None


def collect_payload(package: PackageDescription, files: Path) -> tuple[Source, ...]:
    """Return every file of the payload, sorted by its path on the host.

    A rule without a file below ``files`` is a mistake, because a misspelt path would lose its mode. One BuildError
    lists all mistakes.
    """
    rules = {(rule.source or rule.path).removesuffix(TEMPLATE_SUFFIX): rule for rule in package.files}
    sources: dict[str, Path] = {}
    mistakes = Mistakes()
    for path in _walk(files):
        other = sources.setdefault(source_key(path, files), path)
        with mistakes.collected():
            if not path.is_file() or path.is_symlink():
                raise BuildError(f"{path}: the payload may contain only plain files", hint="replace it by a file")
            if other is not path:
                raise BuildError(f"{other} and {path}: two sources of one file", hint="keep the file or the template")
    for name in sorted(set(rules) - set(sources)):
        with mistakes.collected():
            hint = f"correct the path, or create the file below {files}"
            raise BuildError(f"packages/{package.name}.toml:files: {name}: no such file below {files}", hint=hint)
    mistakes.refuse()
    payload = (
        Source(path=rules[key].path if key in rules else key, source=path, rule=rules.get(key) or FileRule(path=key))
        for key, path in sources.items()
    )
    return tuple(sorted(payload, key=lambda source: source.path))


def source_key(path: Path, files: Path) -> str:
    """Return the key of a file in the rules: its path below ``files`` without the template's suffix."""
    return str(path.relative_to(files)).removesuffix(TEMPLATE_SUFFIX)


def _walk(files: Path) -> Iterator[Path]:
    """Yield every shipped file, and every symlink and special file, which the caller refuses."""
    for path in sorted(files.rglob("*")):
        is_shipped = path.name not in NOT_SHIPPED and not path.match(PARTIAL) and BYTECODE not in path.parts
        if path.is_symlink() or (is_shipped and not path.is_dir()):
            yield path
