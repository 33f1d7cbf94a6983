"""The host's program as a whole: what it may use, what it imports, and what it leaves behind."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from host_program.links import LINKS
from pyinfra_deploy import data
from tests.host.conftest import REPOSITORY

PROGRAM = REPOSITORY / "files/usr/lib/consul-docker-host"
MODULES = sorted([PROGRAM / "__main__.py", *(PROGRAM / "host_program").rglob("*.py")])
# The oldest Python among the systems that the package supports.
OLDEST = (3, 9)
# What takes longest to import among all that a command might use, and what brings it along.
SLOW = {"argparse", "asyncio", "concurrent", "dataclasses", "email", "http", "inspect", "logging", "pathlib", "ssl"}
SLOW |= {"shutil", "tempfile", "unittest", "urllib"}
IMPORTED = "import sys; sys.path.insert(0, sys.argv[1]); import {name}; print(*sys.modules)"


def imports(tree: ast.AST) -> set[str]:
    """Return the top-level packages that a module imports anywhere."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name the whole way"
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PROGRAM)))
def test_a_module_needs_no_more_than_the_oldest_python(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"), feature_version=OLDEST)
    foreign = imports(tree) - {"host_program"} - sys.stdlib_module_names
    assert foreign == set()
    # Annotations are not evaluated, so that they may be written as today.
    futures = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert futures[:1] in (["__future__"], [])


@pytest.mark.parametrize("name", ["host_program.check", "host_program.status", "host_program.cli"])
def test_a_command_imports_nothing_that_takes_long(name: str) -> None:
    """Each run of the check pays for what it imports: http.client alone would take as long as the rest of Python."""
    argv = [sys.executable, "-ISB", "-c", IMPORTED.format(name=name), str(PROGRAM)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert loaded & SLOW == set()


def test_no_bytecode_is_left_beside_the_program() -> None:
    assert sys.dont_write_bytecode
    assert not list(PROGRAM.rglob("__pycache__"))


def test_every_list_of_the_links_is_the_one_of_the_program() -> None:
    names = list(LINKS)
    schema = json.loads((REPOSITORY / "tests/host/check.schema.json").read_text())
    assert schema["properties"]["links"]["items"]["properties"]["name"]["enum"] == names
    assert list(data.LINKS) == names
    manual = (REPOSITORY / "files/usr/share/man/man8/consul-docker-host.8.j2").read_text()
    (listed,) = re.findall(r"Checks each link of the chain: ([^.]+)\.", manual)
    assert listed.replace("\n", " ").split(", ") == names
    assert all(re.fullmatch("[a-z]+", name) for name in names)
    assert {path.stem for path in (PROGRAM / "host_program/links").glob("*.py")} == {*names, "__init__", "reasons"}
