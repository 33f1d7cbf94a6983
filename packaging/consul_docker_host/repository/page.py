"""Write the page at the repository's address: how to add the repository, its packages, how to verify them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jinja2

from consul_docker_host.core.workspace import PROJECT
from consul_docker_host.package.archive_sources import (
    APT_KEY,
    CHANNELS,
    KEY_NAME,
    PACKAGE,
    RPM_KEY,
    apt_source_path,
    yum_source_path,
)
from consul_docker_host.package.plan import RepositoryPlan
from consul_docker_host.repository.catalogue import Item, is_consul
from consul_docker_host.repository.signing import Key

TEMPLATE = Path(__file__).resolve().parents[2] / "repository" / "index.html.j2"
# A text without digits and the number after it; one of them may be empty, and both are empty at the end.
PAIRS = re.compile(r"(?=.)(\D*)(\d*)")
END = 0
# A page with thousands of packages helps nobody; the indices list the older ones.
EARLIER = 100


@dataclass(frozen=True, kw_only=True)
class Row:
    """One package of one channel as the page shows it; ``path`` is relative to the page."""

    item: Item
    path: str
    channel: str
    kind: str

    @cached_property
    def size(self) -> str:
        """The size in words."""
        return f"{self.item.size / 1024:.1f} KiB"

    @cached_property
    def file(self) -> str:
        """The name of the file."""
        return self.path.rpartition("/")[2]


def template_text() -> str:
    """Return the page's template."""
    return TEMPLATE.read_text(encoding="utf-8")


def rows(items: Mapping[str, Sequence[Item]], channel: str) -> tuple[list[Row], list[Row]]:
    """Return a channel's newest packages, and the earlier ones; both newest first within a name."""
    newest: list[Row] = []
    earlier: list[Row] = []
    seen: set[tuple[str, str, str]] = set()
    shown = [
        Row(item=item, path=f"{base}/{item.path}", channel=channel, kind=kind)
        for kind, base in (("deb", "apt"), ("rpm", f"rpm/{channel}"))
        for item in items["apt" if kind == "deb" else "rpm"]
    ]
    shown.sort(key=lambda row: version_key(row.item.version), reverse=True)
    shown.sort(key=lambda row: (row.item.name, row.kind))
    for row in shown:
        mark = (row.kind, row.item.name, row.item.architecture)
        (earlier if mark in seen else newest).append(row)
        seen.add(mark)
    return newest, earlier


def version_key(version: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Return the sort key of a version, in dpkg's order (deb-version(7)).

    python-debian's Version gives the same order, but takes two seconds for 2,000 packages, four times as long as a
    complete publication may take. The tests compare the two.
    """
    upstream, dash, revision = version.rpartition("-")
    return part_key(upstream) + part_key(revision) if dash else part_key(version)


def part_key(version: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Return the sort key of a version or a revision: texts and numbers in turn; its end precedes all but `~`."""
    pairs = PAIRS.findall(version)
    return (*(((*map(character_key, text), END), int(number or 0)) for text, number in pairs), ((END,), 0))


def character_key(character: str) -> int:
    """Return the sort key of a character: `~` before the end, letters before all others."""
    if character == "~":
        return END - 1
    return ord(character) + (0 if character.isalpha() else 256)


def page(plan: RepositoryPlan, items: Mapping[str, Sequence[Item]], keys: Sequence[Key]) -> str:
    """Return the page."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    shown = {}
    for name in CHANNELS:
        newest, earlier = rows({"apt": items[f"apt/{name}"], "rpm": items[f"rpm/{name}"]}, name)
        shown[name] = newest, earlier[:EARLIER], len(earlier[EARLIER:])
    has_keyring = any(item.name == PACKAGE for each in items.values() for item in each)
    has_testing = any(items[f"{kind}/testing"] for kind in ("apt", "rpm"))
    return environment.from_string(template_text()).render(
        project=PROJECT,
        url=plan.url.rstrip("/"),
        channels=shown,
        keys=keys,
        key_name=KEY_NAME,
        apt_key=APT_KEY,
        rpm_key=RPM_KEY,
        keyring=PACKAGE if has_keyring else "",
        has_testing=has_testing,
        has_consul=any(is_consul(item) for each in items.values() for item in each),
        apt_source_path=apt_source_path,
        yum_source_path=yum_source_path,
        valid_days=plan.valid_days,
    )
