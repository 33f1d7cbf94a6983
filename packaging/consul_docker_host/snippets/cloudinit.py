"""cloud-init snippets made from the same tree as the packages.

``inline`` carries the files themselves, for hosts that reach no repository of ours: as many as a host needs, so that
every cloud takes it, or ``inline-full`` all of them. ``repository`` adds ours and installs the package. All merge into
a user's own cloud-config instead of replacing its lists.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.programs import python_program
from consul_docker_host.core.run import run
from consul_docker_host.package import archive_sources
from consul_docker_host.package.plan import Entry, Plan

# In bytes, gzipped, which cloud-init unpacks by itself: EC2 takes 16 KB, Azure and OpenStack 64 KB in base64.
SIZE_LIMIT = 16 * 1024
FULL_LIMIT = 48 * 1024
# Documentation is not worth the room in user data.
LEFT_OUT = ("usr/share/",)
# The snippet acts for the administrator: it writes where a package's file would give way to it.
MOVED = {"usr/lib/systemd/": "etc/systemd/", "usr/lib/NetworkManager/": "etc/NetworkManager/"}
HEADER = """#cloud-config
# {title}
# Made by consul-docker-host {version}. A change belongs in the settings of the build, or on the host in
# /etc/default/consul-docker-host.
"""
APPEND = [{"name": "list", "settings": ["append"]}, {"name": "dict", "settings": ["no_replace", "recurse_list"]}]
# No program needs these lines. A key with # before it shows a default: it stays. The manual page is not in a snippet.
COMMENT = re.compile(r"[#;](?![A-Z_]+=)|\n|Documentation=man:")
CONSUL_SOURCE = """\
# Consul comes from HashiCorp's own repository (https://www.hashicorp.com/official-packaging-guide). Add two files
# to `write_files`, and `consul` to `packages`: their key (https://apt.releases.hashicorp.com/gpg) as
# /usr/share/keyrings/hashicorp-archive-keyring.asc, and as /etc/apt/sources.list.d/hashicorp.sources
#   Types: deb
#   URIs: https://apt.releases.hashicorp.com
#   Suites: bookworm
#   Components: main
#   Signed-By: /usr/share/keyrings/hashicorp-archive-keyring.asc
"""


def snippets(plan: Plan) -> dict[str, str]:
    """Return the snippets by file name; ``repository.yaml`` only where the settings name the archive's key.

    A snippet above its limit raises BuildError with its size.
    """
    made = {"inline.yaml": inline_snippet(plan), "inline-full.yaml": inline_snippet(plan, is_full=True)}
    if plan.repository.key:
        made["repository.yaml"] = repository_snippet(plan)
    for name, text in made.items():
        size = gzipped_size(text)
        limit, cloud = limit_of(name)
        if size > limit:
            hint = "fewer or smaller services in the settings make it smaller"
            raise BuildError(
                f"cloud-init/{name}: {size} bytes gzipped, above the {limit} that {cloud} takes", hint=hint
            )
    return made


def limit_of(name: str) -> tuple[int, str]:
    """Return the most bytes, gzipped, that a snippet may have, and the clouds that take no more."""
    return (FULL_LIMIT, "Azure and OpenStack") if name == "inline-full.yaml" else (SIZE_LIMIT, "EC2")


def gzipped_size(text: str) -> int:
    """Return the size in bytes of what is handed to a cloud."""
    return len(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def host_path(path: str) -> str:
    """Return where the snippet puts a file of the tree, as an absolute path."""
    for package_folder, admin_folder in MOVED.items():
        if path.startswith(package_folder):
            return "/" + admin_folder + path.removeprefix(package_folder)
    return "/" + path


def inline_snippet(plan: Plan, *, is_full: bool = False) -> str:
    """Return the cloud-config that holds the package's files: those that a host needs, or all."""
    files = [
        {
            "path": host_path(entry.path),
            "owner": "root:root",
            # Quoted: without quotes YAML reads an octal mode as a decimal number.
            "permissions": DoubleQuotedScalarString(f"{entry.mode:04o}"),
            "content": LiteralScalarString(snippet_text(plan, entry, is_full=is_full)),
        }
        for entry in plan.entries
        if not entry.path.startswith(LEFT_OUT) and (is_full or entry.is_core)
    ]
    config = {
        "merge_how": APPEND,
        "package_update": True,
        "packages": [first_choice(name) for name in plan.relations.named("depends", "deb")],
        "write_files": files,
        "runcmd": [
            # networkd is up before the files arrive; elsewhere our own unit makes the link.
            "networkctl reload 2>/dev/null || true",
            "systemctl daemon-reload",
            "systemctl enable consul-docker-host.target",
            "systemctl --no-block start consul-docker-host.target",
            # The commands of all parts become one script, whose last one would hide that this one failed.
            "/usr/bin/consul-docker-host apply || trap 'exit 1' EXIT",
        ],
    }
    which = "every file is" if is_full else "all that a host needs is"
    return dump(config, title=f"consul-docker-host without a repository: {which} in here.", plan=plan)


def snippet_text(plan: Plan, entry: Entry, *, is_full: bool) -> str:
    """Return a file as the snippet carries it: comments stay in what the administrator reads, where there is room."""
    text = (plan.tree / entry.path).read_text(encoding="utf-8")
    return text if is_full and entry.is_conffile else minified(text)


def minified(text: str) -> str:
    """Return a script, unit, drop-in or JSON without comments and other room that no program needs."""
    if text.startswith("{"):
        return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")) + "\n"
    if text.startswith("#!") or "# shellcheck shell=sh" in text:
        # Room is all that goes: the program knows what a shell takes for a comment.
        return run([python_program("shfmt"), "-ln=posix", "-mn"], stdin=text).stdout
    return "".join(line for line in text.splitlines(keepends=True) if not COMMENT.match(line))


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
    title = "consul-docker-host from its own package repository."
    return dump(config, title=title, plan=plan, note=CONSUL_SOURCE)


def root_file(path: str, content: str) -> dict[str, Any]:
    """Return one entry of write_files that root owns and everybody may read."""
    permissions = DoubleQuotedScalarString("0644")
    return {"path": path, "owner": "root:root", "permissions": permissions, "content": LiteralScalarString(content)}


def first_choice(relation: str) -> str:
    """Return a relation's first alternative without a version, as cloud-init's package list wants names."""
    return relation.partition("|")[0].split()[0]


def dump(config: dict[str, Any], *, title: str, plan: Plan, note: str = "") -> str:
    """Return the cloud-config's text, header first, with a ``note`` below it."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    stream.write(HEADER.format(title=title, version=plan.version) + note)
    yaml.dump(config, stream)
    return stream.getvalue()


def write_snippets(made: dict[str, str], folder: Path) -> tuple[Path, ...]:
    """Write the snippets into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o644)
    return tuple(folder / name for name in made)
