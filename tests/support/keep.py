"""A plugin for pytest: with --keep a failed test's machines stay as they are, and run, until the user lets go of them.

The test waits before its machines are removed, so that everything they need stays as well: the engine, and the network
of guests, which is part of this process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import pytest

LONGEST = 12 * 3600.0
PAUSE = 0.2
# Set by --keep; machines that a test makes for itself have no other way to learn of it.
_config: list[pytest.Config] = []


@runtime_checkable
class Enterable(Protocol):
    """A machine that a user can enter while it runs."""

    @property
    def name(self) -> str:
        """The machine's name."""

    def enter_command(self) -> str:
        """Return the command by which a user enters the machine, after it was made ready for that."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("suites")
    group.addoption("--keep", action="store_true", help="wait at a failed test with its machines running")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("keep"):
        _config.append(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    _config.clear()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Wait at a failed test, after its machines have reported and before they are removed."""
    report = cast("pytest.TestReport", (yield))
    if report.failed and call.when != "teardown" and isinstance(item, pytest.Function) and call.excinfo:
        hold(machines_in(item.funcargs.values()), call.excinfo.value, item.nodeid, item=item)
    return report  # type: ignore[return-value]


@contextlib.contextmanager
def kept_if_failed(machine: Enterable) -> Iterator[None]:
    """Wait where the block fails, before the machine that the test made for itself is removed."""
    try:
        yield
    except Exception as error:
        hold([machine], error, os.environ.get("PYTEST_CURRENT_TEST", "a test"))
        raise


def machines_in(values: Iterable[object]) -> list[Enterable]:
    """Return the machines among the values and in their fields, such as the hosts of a fleet."""
    found: list[Enterable] = []
    for value in values:
        inner = [value]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [getattr(value, field.name) for field in dataclasses.fields(value)]
            inner += [one for field in fields for one in (field if isinstance(field, (list, tuple)) else [field])]
        found += [one for one in inner if isinstance(one, Enterable) and one not in found]
    return found


def hold(machines: list[Enterable], error: BaseException, test: str, *, item: pytest.Item | None = None) -> None:
    """With --keep print how to enter and how to remove the machines, and wait; an error is waited for once."""
    if not _config or not machines or getattr(error, "is_held", False):
        return
    with contextlib.suppress(AttributeError):
        error.is_held = True  # type: ignore[attr-defined]
    config = _config[0]
    if item is not None and config.pluginmanager.hasplugin("timeout"):
        item.config.hook.pytest_timeout_cancel_timer(item=item)
    handle, name = tempfile.mkstemp(prefix="kept-")
    os.close(handle)
    lines = [f"kept: {test} failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}"]
    lines += [f"  enter {machine.name}: {machine.enter_command()}" for machine in machines]
    lines += [f"  remove: rm {name}"]
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        print("", *lines, sep="\n", file=sys.__stderr__, flush=True)
    end = time.monotonic() + LONGEST
    while Path(name).exists() and time.monotonic() < end:
        time.sleep(PAUSE)
    Path(name).unlink(missing_ok=True)
