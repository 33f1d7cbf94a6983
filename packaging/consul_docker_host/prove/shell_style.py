"""Check the style of the project's shell: shfmt's format, at most 100 columns, and one statement a line.

Statements are found in shfmt's syntax tree: https://pkg.go.dev/mvdan.cc/sh/v3/syntax#Stmt. A list of a single simple
statement may share a line with the word that opens it: `have() { command -v "$1"; }`, `*.sh) check ;;`.
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
# The keys under which a node of the tree has a list of statements.
LISTS = ("Stmts", "Cond", "Then", "Do")
COMPOUNDS = frozenset({"IfClause", "WhileClause", "ForClause", "CaseClause"})
OPENERS = COMPOUNDS | {"Block", "Subshell"}

Node = dict[str, Any]


def style_faults(path: Path) -> Iterator[str]:
    """Yield the faults in the style of one script, as LINE: REASON."""
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
        yield f"1: is not formatted: run shfmt {' '.join(SHFMT)} -w"


def statement_faults(node: object, *, opened: int = 0) -> Iterator[str]:
    """Yield the lines with more than one statement; ``opened`` is the line of an enclosing one-line compound."""
    if isinstance(node, list):
        for inner in node:
            yield from statement_faults(inner, opened=opened)
    elif isinstance(node, dict):
        for name in LISTS:
            for before, after in itertools.pairwise(node.get(name) or ()):
                if line_of(after) <= line_of(before, "End"):
                    yield f"{line_of(after)}: more than one statement"
        node_type = node.get("Type", "")
        if node_type in OPENERS and line_of(node) == line_of(node, "End"):
            if node_type in COMPOUNDS and (reason := crowded(node, opened)):
                yield f"{line_of(node)}: {reason}"
            opened = line_of(node)
        for inner in node.values():
            yield from statement_faults(inner, opened=opened)


def crowded(node: Node, opened: int) -> str:
    """Return why a compound statement may not be on one line; empty if it may."""
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
