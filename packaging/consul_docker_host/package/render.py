"""Render settings and payload into one tree on disk and the plan that every artefact is built from.

This is the last module that reads settings: later steps read only the tree and the plan, so deb, rpm, cloud-init and
image cannot disagree.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package import archive_sources, changelog
from consul_docker_host.package.description import (
    CONFFILE_FOLDER,
    FORMATS,
    Dependency,
    Format,
    PackageDescription,
    Relations,
    Source,
)
from consul_docker_host.package.plan import Entry, Plan, RepositoryPlan
from consul_docker_host.package.scripts import refuse_lost_names, with_lifecycle, with_renames
from consul_docker_host.package.templates import render_template, template_environment, template_variables
from consul_docker_host.settings.files import archive_key
from consul_docker_host.settings.model import Settings

MAN_FOLDER = "usr/share/man/"
COPYRIGHT = "usr/share/doc/consul-docker-host/copyright.j2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One file ready to be written: its path on the host, its content, mode bits and the formats that ship it."""

    path: str
    content: bytes
    mode: int = 0o644
    formats: tuple[Format, ...] = FORMATS

    def as_entry(self) -> Entry:
        """Return the file's entry in the plan."""
        return Entry(
            path=self.path,
            mode=self.mode,
            is_conffile=self.path.startswith(CONFFILE_FOLDER),
            formats=self.formats,
            size=len(self.content),
            sha256=hashlib.sha256(self.content).hexdigest(),
        )


def is_wanted(condition: str, settings: Settings) -> bool:
    """Return whether a rule's ``when`` holds: ``table.key`` is set, or ``table.key=value`` is equal."""
    if not condition:
        return True
    key, equal, wanted = condition.partition("=")
    value: object = settings
    for part in key.split("."):
        if not hasattr(value, part):
            raise BuildError(f"packages/*.toml: when = {condition!r}: no setting {key}")
        value = getattr(value, part)
    return str(value) == wanted if equal else bool(value)


def wanted_relations(relations: Relations, settings: Settings) -> Relations:
    """Return the relations whose ``when`` holds."""
    by_name: dict[str, tuple[Dependency, ...]] = dict(relations)
    wanted = {
        name: tuple(dependency for dependency in dependencies if is_wanted(dependency.when, settings))
        for name, dependencies in by_name.items()
    }
    return Relations(**wanted)


def render_files(settings: Settings, payload: tuple[Source, ...], files: Path, epoch: int) -> Iterator[Rendered]:
    """Yield every wanted file of the payload, rendered; manual pages are compressed, as Debian's policy requires."""
    environment = template_environment(files)
    variables = template_variables(settings)
    for source in payload:
        if not is_wanted(source.rule.when, settings):
            continue
        template = str(source.source.relative_to(files))
        for path, extra in _targets(source, settings):
            text = render_template(environment, template, variables | extra).encode() if source.is_template else None
            content = source.source.read_bytes() if text is None else text
            is_page = path.startswith(MAN_FOLDER)
            yield Rendered(
                path=f"{path}.gz" if is_page else path,
                content=compress(content, epoch) if is_page else content,
                mode=int(source.rule.mode, 8),
                formats=source.rule.formats,
            )


def _targets(source: Source, settings: Settings) -> Iterator[tuple[str, dict[str, object]]]:
    if not source.rule.for_each:
        yield source.path, {}
        return
    for service in getattr(settings, source.rule.for_each):
        yield source.path.format(name=service.name), {"service": service}


def compress(content: bytes, epoch: int) -> bytes:
    """Return the content as ``gzip -9n`` writes it, with the build's time stamp: the same bytes as fpm's."""
    header = b"\x1f\x8b\x08\x00" + epoch.to_bytes(4, "little") + b"\x02\x03"
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(content) + deflate.flush()
    return header + body + zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")


def render_keyring(settings: Settings, work: Workspace) -> Iterator[Rendered]:
    """Yield the files of the keyring package; its copyright file is the project's."""
    for file in archive_sources.keyring_files(_repository(settings, work)):
        yield Rendered(path=file.path, content=file.text.encode(), formats=file.formats)
    text = render_template(template_environment(work.files), COPYRIGHT, template_variables(settings))
    yield Rendered(path=f"usr/share/doc/{archive_sources.PACKAGE}/copyright", content=text.encode())


def render_tree(
    settings: Settings,
    package: PackageDescription,
    payload: tuple[Source, ...],
    work: Workspace,
    *,
    made: Iterable[Rendered] = (),
    files: Path | None = None,
    history: tuple[changelog.Release, ...] = (),
) -> Plan:
    """Write build/NAME/tree, replacing an earlier one, and return the plan.

    ``made`` adds files to the payload, which is below ``files`` (default: the project's own); ``history`` replaces
    CHANGELOG.md for a package that is not ours.
    """
    releases = history or changelog.for_version(
        changelog.read_changelog(work.root / "CHANGELOG.md"), settings.package.version
    )
    epoch = changelog.source_date_epoch(releases)
    notes = changelog.as_debian(releases, package=package.name, maintainer=settings.package.maintainer)
    changes = Rendered(path=f"usr/share/doc/{package.name}/changelog.gz", content=compress(notes.encode(), epoch))
    listed = [*render_files(settings, payload, files or work.files, epoch), *made, changes]
    rendered = sorted(listed, key=lambda file: file.path)
    repeated = {file.path for before, file in itertools.pairwise(rendered) if before.path == file.path}
    if repeated:
        raise BuildError(f"{', '.join(sorted(repeated))}: made by more than one file of the payload")
    tree = work.build / package.name / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    folders = tuple((folder.path, int(folder.mode, 8)) for folder in package.folders)
    write_tree(tree, rendered, folders=folders, epoch=epoch)
    left_out = tuple(source.path for source in payload if not is_wanted(source.rule.when, settings))
    entries = tuple(file.as_entry() for file in rendered)
    return _plan(settings, package, work, releases, tree=tree, entries=entries, left_out=left_out)


def write_tree(tree: Path, rendered: list[Rendered], *, folders: tuple[tuple[str, int], ...] = (), epoch: int) -> None:
    """Write files and directories with the modes and the time stamp of the plan, whatever the caller's umask."""
    modes = {tree / path: mode for path, mode in folders}
    for file in rendered:
        path = tree / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
        os.utime(path, (epoch, epoch))
    for path in modes:
        path.mkdir(parents=True, exist_ok=True)
    # The deepest come first, because creating an entry changes the time stamp of its directory.
    for path in sorted((path for path in [tree, *tree.rglob("*")] if path.is_dir()), reverse=True):
        path.chmod(modes.get(path, 0o755))
        os.utime(path, (epoch, epoch))


def _plan(
    settings: Settings,
    package: PackageDescription,
    work: Workspace,
    releases: tuple[changelog.Release, ...],
    *,
    tree: Path,
    entries: tuple[Entry, ...],
    left_out: tuple[str, ...],
) -> Plan:
    refuse_lost_names(package.name, package.renamed, {*(entry.path for entry in entries), *left_out})
    scripts = {package_format: _scripts(package, package_format, work) for package_format in FORMATS}
    return Plan(
        name=package.name,
        version=settings.package.version,
        revision=settings.package.revision,
        summary=package.summary,
        description=package.description.strip(),
        section=package.section,
        priority=package.priority,
        license=package.license,
        maintainer=settings.package.maintainer,
        homepage=settings.package.homepage,
        architecture=package.architecture,
        relations=wanted_relations(package.relations, settings),
        scripts=scripts,
        releases=releases,
        repository=_repository(settings, work),
        epoch=changelog.source_date_epoch(releases),
        tree=tree,
        entries=entries,
        folders=tuple((folder.path, int(folder.mode, 8)) for folder in package.folders),
        left_out=left_out,
        package_url=settings.cloud_init.package_url,
    )


def _scripts(package: PackageDescription, package_format: Format, work: Workspace) -> dict[str, Path]:
    folder = work.packaging / "scripts" / package_format
    scripts = {name: folder / file for name, file in getattr(package.scripts, package_format) if file}
    for path in scripts.values():
        if not path.is_file():
            raise BuildError(f"{path}: no such maintainer script")
    made = work.build / package.name / "scripts" / package_format
    scripts = with_lifecycle(scripts, made, source=work.packaging / "scripts")
    fragments = work.packaging / "scripts" / "renamed"
    return with_renames(package_format, scripts, package.renamed, made, fragments=fragments)


def _repository(settings: Settings, work: Workspace) -> RepositoryPlan:
    repository = settings.repository
    if not repository.key_file:
        return RepositoryPlan(url=repository.url, channel=repository.channel, valid_days=repository.valid_days)
    path = work.root / repository.key_file
    try:
        key = archive_key(work.root, repository.key_file)
    except ValueError as error:
        raise BuildError(f"repository.key_file: {error}") from error
    return RepositoryPlan(
        url=repository.url, channel=repository.channel, valid_days=repository.valid_days, key=key, key_file=path
    )
