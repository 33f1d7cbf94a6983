"""User data as a cloud hands it to cloud-init: a snippet of ours, and a user's own part beside it."""

from __future__ import annotations

import io
import textwrap
from typing import Any

from ruamel.yaml import YAML

from consul_docker_host.snippets.cloudinit import APPEND
from tests.support.packages import NAME

SETTINGS = f"/etc/default/{NAME}"


def settings(text: str) -> dict[str, Any]:
    """Return a user's own part: lines for the host's file, beside what a snippet writes there."""
    return {"merge_how": APPEND, "write_files": [{"path": SETTINGS, "append": True, "content": text}]}


def archive(*parts: str | dict[str, Any]) -> bytes:
    """Return user data of some parts, each a cloud-config of its own."""
    texts = [part if isinstance(part, str) else "#cloud-config\n" + dump(part) for part in parts]
    return archive_of([f"- type: text/cloud-config\n  content: {block(text)}" for text in texts])


def plain_archive(*texts: str) -> bytes:
    """Return user data of some texts that say by their first line what they are."""
    return archive_of([f"- {block(text)}" for text in texts])


def archive_of(entries: list[str]) -> bytes:
    return "\n".join(["#cloud-config-archive", *entries, ""]).encode()


def block(text: str) -> str:
    """Return a text as somebody pastes it into YAML: indented, below a bar."""
    return "|\n" + textwrap.indent(text.rstrip("\n"), "    ", lambda _: True)


def dump(value: object) -> str:
    """Return a value as YAML."""
    yaml, lines = YAML(typ="safe"), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(value, lines)
    return str(lines.getvalue())
