"""Write the cloud-init snippets: each sets up a complete host, alone or combined with the user's own cloud-config.

``repository`` adds the package repository and installs the package from it. ``package`` installs the deb or the rpm of
this build from any web server. ``inline`` contains the files themselves, for hosts that reach neither.
"""

from __future__ import annotations

import io
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from consul_docker_host.package import archive_sources
from consul_docker_host.package.description import Format
from consul_docker_host.package.plan import Entry, Plan

# User data is too small for documentation.
LEFT_OUT = ("usr/share/",)
# The snippet acts for the administrator, so it writes to the directories that override a package's.
MOVED = {"usr/lib/systemd/": "etc/systemd/", "usr/lib/NetworkManager/": "etc/NetworkManager/"}
SETTINGS = "etc/default/consul-docker-host"
# The placeholder if the settings name no server; package.sh refuses it with one line.
NO_URL = "REPLACE-WITH-THE-ADDRESS-OF-THE-PACKAGES"
# cloud-init joins the commands of all parts to one script and reports only the exit code of the last one.
KEEP_FAILURE = "[ $? -eq 0 ] || trap 'exit 1' EXIT"
APPEND = "list(append)+dict(no_replace,recurse_list)"
HEADER = """#cloud-config
# consul-docker-host {version}, {title}. A host's own settings go into
# /etc/default/consul-docker-host: if your write_files has that file, it wins in any order.
# To combine this with your own user data, put yours first:
#   cloud-init devel make-mime -a my.yaml:cloud-config -a {name}:cloud-config >user-data
# or write a #cloud-config-archive (smaller: make-mime writes base64) or an #include of both.
# If yours comes last, copy merge_how into it, or its lists replace these. cloud-init unpacks gzip;
# use base64 only if the cloud's API requires it. As vendor data (Proxmox, LXD) a list of this
# snippet is replaced by your list of the same name.
"""
PACKAGE_NOTE = """# PACKAGE_URL is a directory of a web server or bucket that holds the packages named below.
"""
NO_URL_NOTE = """# It is not set: replace it (it ends with /), or set cloud_init.package_url and build again.
"""
INLINE_NOTE = """# For Debian and Ubuntu. In Terraform read it with file(), because templatefile() replaces ${...}.
# A file whose owner a package creates needs `defer: true`, else cloud-init skips later files.
"""
REPOSITORY_NOTE = """# A settings file with `defer: true` is written after the package is installed: then add
# `consul-docker-host apply` to your runcmd.
#
# Consul comes from HashiCorp's own repository, https://www.hashicorp.com/official-packaging-guide.
# Add `consul` to `packages`, and two files to `write_files`: HashiCorp's key from
# https://apt.releases.hashicorp.com/gpg as /usr/share/keyrings/hashicorp-archive-keyring.asc,
# and these lines as /etc/apt/sources.list.d/hashicorp.sources
#   Types: deb
#   URIs: https://apt.releases.hashicorp.com
#   Suites: bookworm
#   Components: main
#   Signed-By: /usr/share/keyrings/hashicorp-archive-keyring.asc
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A package that a host fetches: its file name and its SHA-256."""

    name: str
    sha256: str


def host_path(path: str) -> str:
    """Return the absolute path at which the snippet writes a file of the tree."""
    for package_folder, admin_folder in MOVED.items():
        if path.startswith(package_folder):
            return "/" + admin_folder + path.removeprefix(package_folder)
    return "/" + path


def inline_files(plan: Plan) -> tuple[Entry, ...]:
    """Return the files in ``inline``: all but documentation."""
    return tuple(entry for entry in plan.entries if not entry.path.startswith(LEFT_OUT))


def inline_path(path: str) -> str:
    """Return the path at which ``inline`` writes a file: the settings as an example, so that a user's own win."""
    return host_path(path) + (".example" if path == SETTINGS else "")


def snippets(plan: Plan, scripts: Path) -> dict[str, str]:
    """Return the snippets that need no package, by file name; ``scripts`` is the directory of their scripts.

    ``repository.yaml`` is written only if the settings name the archive's key.
    """
    made = {"inline.yaml": inline_snippet(plan, scripts)}
    if plan.repository.key:
        made["repository.yaml"] = repository_snippet(plan)
    return made


def inline_snippet(plan: Plan, scripts: Path) -> str:
    """Return the cloud-config that contains the package's files and starts the host."""
    files = [
        root_file(inline_path(entry.path), (plan.tree / entry.path).read_text(encoding="utf-8"), mode=entry.mode)
        for entry in inline_files(plan)
    ]
    config = {
        "merge_how": APPEND,
        "package_update": True,
        "packages": [first_choice(name) for name in plan.relations.named("depends", "deb")],
        "write_files": files,
        "runcmd": [block((scripts / "inline.sh").read_text(encoding="utf-8"))],
    }
    return dump(config, "inline.yaml", plan, title="every file inside", note=INLINE_NOTE)


def package_snippet(plan: Plan, scripts: Path, downloads: Mapping[Format, Download]) -> str:
    """Return the cloud-config that fetches, verifies and installs the package for the host's format."""
    values = {"PACKAGE_URL": plan.package_url.rstrip("/") + "/" if plan.package_url else NO_URL}
    for package_format in ("deb", "rpm"):
        download = downloads.get(package_format, Download(name="", sha256=""))
        # A bucket decodes + in an address as a blank.
        values[package_format.upper()] = urllib.parse.quote(download.name, safe="")
        values[f"{package_format.upper()}_SHA256"] = download.sha256
    environment = [f"{key}={value}" for key, value in values.items()]
    script = (scripts / "package.sh").read_text(encoding="utf-8")
    config = {
        "merge_how": APPEND,
        "package_update": True,
        "runcmd": [["env", *environment, "sh", "-c", block(script)], KEEP_FAILURE],
    }
    note = PACKAGE_NOTE + ("" if plan.package_url else NO_URL_NOTE)
    return dump(config, "package.yaml", plan, title="installed from a web server", note=note)


def repository_snippet(plan: Plan) -> str:
    """Return the cloud-config that adds the package repository and installs the package from it."""
    channel = plan.repository.channel
    config = {
        "merge_how": APPEND,
        "write_files": [
            root_file(f"/{archive_sources.APT_KEY}", plan.repository.key),
            root_file(
                f"/{archive_sources.apt_source_path(channel)}", archive_sources.apt_source(plan.repository.url, channel)
            ),
        ],
        "package_update": True,
        "packages": [plan.name],
    }
    return dump(config, "repository.yaml", plan, title="installed from its repository", note=REPOSITORY_NOTE)


def root_file(path: str, content: str, *, mode: int = 0o644) -> dict[str, Any]:
    """Return one entry of write_files that root owns.

    The owner is root, because no other account may exist yet, and an unknown owner makes cloud-init skip later files.
    The mode is quoted, because without quotes YAML reads an octal mode as a decimal number.
    """
    permissions = DoubleQuotedScalarString(f"{mode:04o}")
    return {"path": path, "owner": "root:root", "permissions": permissions, "content": block(content)}


def block(text: str) -> str:
    """Return a text for the YAML writer: line by line, or escaped if it is not ASCII.

    Terraform's `cloudinit_config` declares its parts as 7bit, so cloud-init reads only ASCII from them.
    """
    is_plain = text.isascii() and all(letter.isprintable() or letter in "\n\t" for letter in text)
    scalar: str = LiteralScalarString(text) if text and is_plain else DoubleQuotedScalarString(text)
    return scalar


def first_choice(relation: str) -> str:
    """Return a relation's first alternative without a version, because cloud-init's package list takes only names."""
    return relation.partition("|")[0].split()[0]


def dump(config: dict[str, Any], name: str, plan: Plan, *, title: str, note: str = "") -> str:
    """Return a snippet's text: the header with a ``note`` below it, then the cloud-config."""
    yaml = YAML()
    yaml.width = 4096
    yaml.allow_unicode = False
    stream = io.StringIO()
    stream.write(HEADER.format(title=title, version=plan.version, name=name) + note)
    yaml.dump(config, stream)
    return stream.getvalue()


def write_snippet(text: str, path: Path) -> None:
    """Write a snippet that everybody may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
