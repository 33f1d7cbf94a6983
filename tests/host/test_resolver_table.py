"""The resolver's decision for every combination of evidence, against the procedure that the table replaced."""

from __future__ import annotations

import itertools
import subprocess
from typing import NamedTuple

from tests.host.conftest import SCRIPTS, FakeHost
from tests.support.speed import scaled

FILES = ("resolved", "resolvconf", "nm", "missing", "symlink", "static")
NO_YES = ("no", "yes")
# Reads combinations, a line each, and prints the decision for each.
DECIDE = """
. "$1/base.sh"
. "$1/resolv-conf.sh"
while read -r conf link resolved nm resolvconf stub; do
    decide
    say "$decision"
done
"""


class Evidence(NamedTuple):
    """What the file looks like and whether it is a symlink; the programs; whether the file names resolved's stub."""

    conf: str
    link: str
    resolved: str
    nm: str
    resolvconf: str
    stub: str


COMBINATIONS = tuple(
    Evidence(*values) for values in itertools.product(FILES, NO_YES, NO_YES, ("no", "yes", "resolved"), NO_YES, NO_YES)
)


def expected(seen: Evidence) -> str:
    """Decide as the procedure did that was in use before the table, branch for branch."""
    left_or_line = "leave" if seen.link == "yes" else "line"
    by_resolved = seen.resolved == "yes" and seen.stub == "yes"
    match seen.conf:
        case "resolved":
            decision = "resolved" if seen.resolved == "yes" else left_or_line
        case "resolvconf":
            decision = "resolvconf" if seen.resolvconf == "yes" else left_or_line
        case "nm" if seen.nm == "resolved" and by_resolved:
            decision = "resolved"
        case "nm":
            decision = left_or_line if seen.nm == "no" else "line"
        case "missing":
            has_owner = seen.nm != "no" or seen.resolved == "yes" or seen.resolvconf == "yes"
            decision = "wait" if has_owner else "line"
        case "symlink":
            decision = "leave"
        case _:
            decision = "resolved" if by_resolved else "line"
    return decision


def decided(host: FakeHost) -> dict[Evidence, str]:
    """Return what the host's own table decides for each combination."""
    done = subprocess.run(
        ["sh", "-euc", DECIDE, "sh", str(host.root / SCRIPTS)],
        env={"PATH": "/usr/bin:/bin", "CONSUL_DOCKER_HOST_ROOT": str(host.root)},
        input="".join(" ".join(seen) + "\n" for seen in COMBINATIONS),
        capture_output=True,
        text=True,
        check=True,
        timeout=scaled(60),
    )
    return dict(zip(COMBINATIONS, done.stdout.split(), strict=True))


def test_the_table_decides_each_of_288_combinations_as_before(host: FakeHost) -> None:
    assert len(COMBINATIONS) == 288
    assert decided(host) == {seen: expected(seen) for seen in COMBINATIONS}


def test_every_decision_is_taken_for_some_evidence(host: FakeHost) -> None:
    assert set(decided(host).values()) == {"resolved", "resolvconf", "line", "wait", "leave"}


def test_another_order_of_the_table_would_be_seen(host: FakeHost) -> None:
    """The comparison is not a yes-man: a row that comes too early is a difference."""
    table = host.root / SCRIPTS / "resolv-conf.sh"
    text = table.read_text(encoding="utf-8")
    row = "        'symlink '*) decision=leave ;;\n"
    assert text.count(row) == 1
    early = text.replace(row, "").replace("    case $evidence in\n", f"    case $evidence in\n{row}")
    assert early != text
    table.write_text(early.replace("'symlink '*)", "'missing '* | 'symlink '*)"), encoding="utf-8")
    assert decided(host) != {seen: expected(seen) for seen in COMBINATIONS}
