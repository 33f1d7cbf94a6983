"""cloud-init snippets, each a whole way to a host and a part beside the user's own cloud-config.

``repository`` adds the package repository and installs the package from it. ``package`` installs the deb or the rpm of
this very build from any web server. ``inline`` carries the files themselves, for hosts that reach neither.
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

# Documentation is not worth the room in user data.
LEFT_OUT = ("usr/share/",)
# The snippet acts for the administrator: it writes where a package's file would give way to it.
MOVED = {"usr/lib/systemd/": "etc/systemd/", "usr/lib/NetworkManager/": "etc/NetworkManager/"}
SETTINGS = "etc/default/consul-docker-host"
# What a build writes where the settings name no server; package.sh refuses it with one line.
NO_URL = "REPLACE-WITH-THE-ADDRESS-OF-THE-PACKAGES"
# cloud-init joins the commands of all parts to one script and reports how its last one ended.
KEEP_FAILURE = "[ $? -eq 0 ] || trap 'exit 1' EXIT"
APPEND = "list(append)+dict(no_replace,recurse_list)"
HEADER = """#cloud-config
# consul-docker-host {version}, {title}. A host's own settings go into
# /etc/default/consul-docker-host: if your write_files has that file, it wins in any order.
# To combine this with your own user data, put yours first:
#   cloud-init devel make-mime -a my.yaml:cloud-config -a {name}:cloud-config >user-data
# or make a #cloud-config-archive (smaller: make-mime writes base64) or an #include of both.
# If yours comes last, copy merge_how into it, or its lists replace these. gzip is unpacked; use
# base64 only where the cloud's API demands it. As vendor data (Proxmox, LXD) a list of this
# yields to yours of the same name.
"""
PACKAGE_NOTE = """# PACKAGE_URL is a directory of a web server or bucket that holds the packages named below.
"""
NO_URL_NOTE = """# It is not set: replace it (it ends with /), or set cloud_init.package_url and build again.
"""
INLINE_NOTE = """# For Debian and Ubuntu. In Terraform read it with file(): templatefile() takes ${...} for its own.
# An owner that a package makes needs `defer: true`, else cloud-init writes no file after yours.
"""
REPOSITORY_NOTE = """# A settings file with `defer: true` comes after the package: add `consul-docker-host apply` to
# your runcmd.
#
# Consul comes from HashiCorp's own repository, https://www.hashicorp.com/official-packaging-guide.
# Add two files to `write_files`, and `consul` to `packages`: their key, which is at
# https://apt.releases.hashicorp.com/gpg, as
# /usr/share/keyrings/hashicorp-archive-keyring.asc, and as
# /etc/apt/sources.list.d/hashicorp.sources
#   Types: deb
#   URIs: https://apt.releases.hashicorp.com
#   Suites: bookworm
#   Components: main
#   Signed-By: /usr/share/keyrings/hashicorp-archive-keyring.asc
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A package as a host fetches it: its file name, and the SHA-256 that it must have."""

    name: str
    sha256: str


def host_path(path: str) -> str:
    """Return where the snippet puts a file of the tree, as an absolute path."""
    for package_folder, admin_folder in MOVED.items():
        if path.startswith(package_folder):
            return "/" + admin_folder + path.removeprefix(package_folder)
    return "/" + path


def inline_files(plan: Plan) -> tuple[Entry, ...]:
    """Return the files that ``inline`` carries: all but documentation."""
    return tuple(entry for entry in plan.entries if not entry.path.startswith(LEFT_OUT))


def inline_path(path: str) -> str:
    """Return where ``inline`` writes a file: the settings beside their place, where they replace no user's own."""
    return host_path(path) + (".example" if path == SETTINGS else "")


def snippets(plan: Plan, scripts: Path) -> dict[str, str]:
    """Return the snippets that need no package, by file name; ``scripts`` is the directory of what they run.

    There is a ``repository.yaml`` only where the settings name the archive's key.
    """
    made = {"inline.yaml": inline_snippet(plan, scripts)}
    if plan.repository.key:
        made["repository.yaml"] = repository_snippet(plan)
    return made


def inline_snippet(plan: Plan, scripts: Path) -> str:
    """Return the cloud-config that holds the package's files and starts the host."""
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
    """Return the cloud-config that fetches, verifies and installs whichever of the packages a host takes."""
    values = {"PACKAGE_URL": plan.package_url.rstrip("/") + "/" if plan.package_url else NO_URL}
    for package_format in ("deb", "rpm"):
        download = downloads.get(package_format, Download(name="", sha256=""))
        # A bucket reads + in an address as a blank.
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

    root alone is there when the files are written; an unknown owner would end the list. The mode is quoted: without
    quotes YAML reads an octal mode as a decimal number.
    """
    permissions = DoubleQuotedScalarString(f"{mode:04o}")
    return {"path": path, "owner": "root:root", "permissions": permissions, "content": block(content)}


def block(text: str) -> str:
    """Return a text for the YAML writer: line by line, or escaped where it is not ASCII.

    Terraform's `cloudinit_config` writes its parts as 7bit, from which cloud-init reads no other letter.
    """
    is_plain = text.isascii() and all(letter.isprintable() or letter in "\n\t" for letter in text)
    scalar: str = LiteralScalarString(text) if text and is_plain else DoubleQuotedScalarString(text)
    return scalar


def first_choice(relation: str) -> str:
    """Return a relation's first alternative without a version, as cloud-init's package list wants names."""
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
