"""How the project's shell is written: by shfmt, at most 100 columns, and one statement a line.

shfmt's own syntax tree tells statements apart: https://pkg.go.dev/mvdan.cc/sh/v3/syntax#Stmt. A list that holds one
simple statement may share a line with what opens it: `have() { command -v "$1"; }`, `*.sh) check ;;`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from consul_docker_host.core.programs import python_program
from consul_docker_host.core.run import run

COLUMNS = 100
SHFMT = ("-i", "4", "-ci")
# Where a node of the tree has a list of statements.
LISTS = ("Stmts", "Cond", "Then", "Do")
COMPOUNDS = frozenset({"IfClause", "WhileClause", "ForClause", "CaseClause"})
OPENERS = COMPOUNDS | {"Block", "Subshell"}

Node = dict[str, Any]


def style_faults(path: Path) -> Iterator[str]:
    """Yield everything that is wrong with the style of one script, as LINE: REASON."""
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS:
            yield f"{number}: {len(line)} columns, more than {COLUMNS}"
    shfmt = python_program("shfmt")
    parsed = run([shfmt, "--to-json", "--language-dialect", "posix"], stdin=text, check=False)
    if parsed.returncode:
        yield f"1: is not POSIX shell: {parsed.stderr.strip()}"
        return
    yield from statement_faults(json.loads(parsed.stdout))
    if run([shfmt, *SHFMT, "--list", str(path)], check=False).output:
        yield f"1: is not as `shfmt {' '.join(SHFMT)}` writes it"


def statement_faults(node: object, *, opened: int = 0) -> Iterator[str]:
    """Yield the lines with more than one statement; a compound that stands on one line was ``opened`` on it."""
    if isinstance(node, list):
        for inner in node:
            yield from statement_faults(inner, opened=opened)
    elif isinstance(node, dict):
        for name in LISTS:
            for before, after in itertools.pairwise(node.get(name) or ()):
                if line_of(after) <= line_of(before, "End"):
                    yield f"{line_of(after)}: more than one statement"
        kind = node.get("Type", "")
        if kind in OPENERS and line_of(node) == line_of(node, "End"):
            if kind in COMPOUNDS and (reason := crowded(node, opened)):
                yield f"{line_of(node)}: {reason}"
            opened = line_of(node)
        for inner in node.values():
            yield from statement_faults(inner, opened=opened)


def crowded(node: Node, opened: int) -> str:
    """Return why a compound statement does not fit on one line; empty when it does."""
    if opened == line_of(node):
        return "a compound statement within another, on one line"
    if node.get("Else"):
        return "if and else on one line"
    if len(node.get("Items") or ()) > 1:
        return "more than one pattern of a case on one line"
    return ""


def line_of(node: Node, end: str = "Pos") -> int:
    """Return the line on which a node begins, or ends."""
    return int(node[end]["Line"])
