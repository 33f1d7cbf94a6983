"""What every suite starts from: nothing of the caller's environment decides a test."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from tests.support import speed
from tests.support.machine import Machine

# A caller's own value would be a second time stamp for everything that is built.
os.environ.pop("SOURCE_DATE_EPOCH", None)
# A run in the background starts with Ctrl-C ignored, and so would the programs whose Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Their assertions tell what was compared, as those of the tests do.
pytest.register_assert_rewrite("tests.unit.kit", "tests.unit.shipped", "tests.package.readers")
pytest_plugins = ("tests.support.sequence", "tests.support.record", "tests.support.keep")
MARKS = (
    "long: takes minutes or needs more than the bed; runs with --long",
    "family(name): is about distributions that install this format, deb or rpm",
    "short_form_on(*names): these distributions are enough for the short form; --long and --distro run the others",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Define what every suite knows."""
    group = parser.getgroup("suites")
    group.addoption("--long", action="store_true", help="the long form: more rounds, more cases")
    group.addoption("--rounds", type=int, default=5, metavar="N", help="of each measurement in a bench_*.py")


def pytest_configure(config: pytest.Config) -> None:
    """Define the marks."""
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Measure the machine and print the result, before xdist starts workers that inherit it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not hasattr(session.config, "workerinput") and not session.config.getoption("collectonly"):
        reporter.write_line(speed.header())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out long tests where they were not asked for; pytest counts them as deselected, so nothing is silent."""
    if not config.getoption("long"):
        leave_out(config, items, lambda item: item.get_closest_marker("long") is not None)
    if not config.getoption("collectonly"):
        for item in items:
            scale_timeout(item)


def scale_timeout(item: pytest.Item) -> None:
    """Give a test the time that its mark, or the configuration, has for it on the reference machine."""
    mark = item.get_closest_marker("timeout")
    seconds = float(mark.args[0] if mark else item.config.getini("timeout"))
    item.add_marker(pytest.mark.timeout(speed.scaled(seconds)), append=False)


def leave_out(config: pytest.Config, items: list[pytest.Item], is_unwanted: Callable[[pytest.Item], bool]) -> None:
    """Deselect the tests for which ``is_unwanted`` holds."""
    unwanted = [item for item in items if is_unwanted(item)]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    """Give how often a figure is taken."""
    return int(request.config.getoption("rounds"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add what the machines in play have to say, such as the journal's end, to the report of a failed test."""
    report = cast("pytest.TestReport", (yield))
    if report.failed and isinstance(item, pytest.Function):
        for name, value in item.funcargs.items():
            if isinstance(value, Machine):
                report.sections.append((f"{value.name} (fixture {name})", value.report()))
    return report  # type: ignore[return-value]
