"""Stories whose tests follow each other on one machine: a test that is started in the middle fails by the missing step.

``pytestmark = pytest.mark.sequence`` says so of a file. What ran before and failed counts as run.
"""

from __future__ import annotations

import types

import pytest

# (file, what the machine is for: the distribution's name or nothing, function) of each test that has begun.
Step = tuple[str, str, str]
BEGUN = pytest.StashKey[set[Step]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sequence: the tests of the file follow each other on one machine")
    config.stash[BEGUN] = set()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test of a sequence before its machine is made, where an earlier step has not run."""
    if not isinstance(item, pytest.Function) or item.get_closest_marker("sequence") is None:
        return
    begun, is_long = item.config.stash[BEGUN], bool(item.config.getoption("long", default=False))
    name = item.originalname
    for earlier in steps_before(item.module, name, is_long=is_long):
        if step(item, earlier) not in begun:
            file = item.nodeid.partition("::")[0]
            pytest.fail(f"{name} follows {earlier}, which has not run: run {file} as a whole", pytrace=False)
    begun.add(step(item, name))


def step(item: pytest.Function, name: str) -> Step:
    """Return what stands for a function of the item's file, on the item's machine."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return item.nodeid.partition("::")[0], str(getattr(parameters.get("distribution"), "name", "")), name


def steps_before(module: types.ModuleType, name: str, *, is_long: bool) -> list[str]:
    """Return the names of the tests above a function in its module; those marked long only if ``is_long``."""
    names = [found for found, value in vars(module).items() if found.startswith("test_") and callable(value)]
    above = names[: names.index(name)]
    return [found for found in above if is_long or not is_marked_long(getattr(module, found))]


def is_marked_long(function: object) -> bool:
    """Return whether a test has the mark ``long`` itself."""
    return any(mark.name == "long" for mark in getattr(function, "pytestmark", []))
