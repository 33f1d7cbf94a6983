"""fpm: the Ruby program, run as a subprocess on a staging copy of the tree."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.backends.nfpm import BUILD_HOST, script_texts
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.programs import Fpm
from consul_docker_host.core.run import find_program, run
from consul_docker_host.core.workspace import copy_entry
from consul_docker_host.package import changelog, control
from consul_docker_host.package.description import Format
from consul_docker_host.package.plan import Plan

# Complete scripts only: --deb-systemd*, --after-upgrade and --deb-after-purge wrap them in templates that fail on
# abort-upgrade, ignore triggers, enable disabled units again and lose the purge script (fpm #1472).
SCRIPTS: dict[Format, dict[str, str]] = {
    "deb": {
        "preinst": "--before-install",
        "postinst": "--after-install",
        "prerm": "--before-remove",
        "postrm": "--after-remove",
    },
    "rpm": {
        "pre": "--before-install",
        "post": "--after-install",
        "preun": "--before-remove",
        "postun": "--after-remove",
        "posttrans": "--rpm-posttrans",
    },
}
DEB_COMPRESSIONS = {"xz": "xz", "gzip": "gz"}
# Without these defines rpmbuild writes its own clock and host name into the package.
RPM_DEFINES = (
    "use_source_date_epoch_as_buildtime 1",
    "clamp_mtime_to_source_date_epoch 1",
    "source_date_epoch_from_changelog 0",
    "_build_id_links none",
    f"_buildhost {BUILD_HOST}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FpmBackend:
    """Build packages with fpm; an rpm needs rpmbuild as well."""

    fpm: Fpm
    name: str = "fpm"

    def build(self, plan: Plan, package_format: Format, out: Path) -> None:
        """Write the package to ``out``."""
        if package_format == "rpm" and not find_program("rpmbuild"):
            raise BuildError(
                "rpmbuild is not installed, and fpm needs it", hint="apt-get install rpm, or --backend nfpm"
            )
        with tempfile.TemporaryDirectory(prefix="fpm-") as name:
            folder = Path(name)
            write_root(plan, package_format, folder / "root")
            for file, content in side_files(plan).items():
                (folder / file).write_text(content, encoding="utf-8")
            for script, content in script_texts(plan, package_format).items():
                # rpmbuild expands macros in the scripts that fpm copies into the spec file.
                text = content.replace("%", "%%") if package_format == "rpm" else content
                (folder / script).write_text(text, encoding="utf-8")
            # fpm creates its working directory below TMPDIR and rpmbuild reads ~/.rpmmacros: neither may be the user's.
            environment = {"SOURCE_DATE_EPOCH": str(plan.epoch), "TMPDIR": name, "HOME": name, **self.fpm.environment}
            run([str(self.fpm.program), *fpm_arguments(plan, package_format, folder, out)], cwd=folder, env=environment)


def write_root(plan: Plan, package_format: Format, root: Path) -> None:
    """Copy one format's files below ``root``; fpm writes the deb's changelog itself, from the same text."""
    own_changelog = f"usr/share/doc/{plan.name}/changelog.gz" if package_format == "deb" else ""
    for entry in plan.entries_for(package_format):
        if entry.path != own_changelog:
            copy_entry(plan.tree, root, entry.path, entry.mode, plan.epoch)
    modes = {root / path: mode for path, mode in plan.folders_for(package_format)}
    for path in modes:
        path.mkdir(parents=True, exist_ok=True)
    # mkdir gave each directory a mode by the caller's umask, and the time of the build.
    for path in (root, *root.rglob("*")):
        if path.is_dir():
            path.chmod(modes.get(path, 0o755))
            os.utime(path, (plan.epoch, plan.epoch))


def side_files(plan: Plan) -> dict[str, str]:
    """Return the texts that fpm reads from files, by file name."""
    return {
        "control": control.control_text(plan),
        "changelog.deb": changelog.as_debian(plan.releases, package=plan.name, maintainer=plan.maintainer),
        "changelog.rpm": changelog.as_spec(plan.releases, maintainer=plan.maintainer, revision=plan.revision),
    }


def fpm_arguments(plan: Plan, package_format: Format, folder: Path, out: Path) -> list[str]:
    """Return fpm's arguments for one package; ``folder`` holds the staged root and the side files."""
    arguments = ["--input-type", "dir", "--output-type", package_format, "--chdir", str(folder / "root")]
    arguments += ["--package", str(out), "--name", plan.name, "--version", plan.version]
    arguments += ["--architecture", plan.architecture, "--maintainer", plan.maintainer, "--url", plan.homepage]
    arguments += ["--license", plan.license, "--vendor", "", "--category", plan.section]
    arguments += ["--description", control.rpm_description(plan)]
    arguments += [part for entry in plan.entries_for(package_format) if entry.is_conffile
                  for part in ("--config-files", f"/{entry.path}")]  # fmt: skip
    for name in script_texts(plan, package_format):
        arguments += [SCRIPTS[package_format][name], str(folder / name)]
    arguments += deb_arguments(plan, folder) if package_format == "deb" else list(rpm_arguments(plan, folder))
    return [*arguments, "."]


def deb_arguments(plan: Plan, folder: Path) -> list[str]:
    """Return the arguments that only a deb takes; the complete control file is ours."""
    arguments = ["--deb-custom-control", str(folder / "control"), "--deb-changelog", str(folder / "changelog.deb")]
    arguments += [
        "--deb-compression",
        DEB_COMPRESSIONS[plan.compression],
        "--deb-no-default-config-files",
        "--deb-user",
        "root",
        "--deb-group",
        "root",
    ]
    for directive, path in plan.triggers():
        arguments += [f"--deb-{directive}", path]
    return arguments


def rpm_arguments(plan: Plan, folder: Path) -> Iterator[str]:
    """Yield the arguments that only an rpm takes."""
    # md5 digests break hosts in FIPS mode.
    yield from ("--iteration", plan.revision, "--rpm-summary", plan.summary, "--rpm-digest", "sha256")
    yield from (
        "--rpm-os",
        "linux",
        "--rpm-compression",
        plan.compression,
        "--rpm-changelog",
        str(folder / "changelog.rpm"),
    )
    for definition in RPM_DEFINES:
        yield from ("--rpm-rpmbuild-define", definition)
    for relation in plan.relations.named("depends", "rpm"):
        yield from ("--depends", relation)
    for field, tag in control.RPM_RELATIONS.items():
        for relation in plan.relations.named(field, "rpm"):
            yield from ("--rpm-tag", f"{tag}: {relation}")
    for path, mode in plan.folders_for("rpm"):
        yield from ("--directories", f"/{path}", "--rpm-attr", f"{mode:o},root,root:/{path}")
