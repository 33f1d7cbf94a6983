"""What every suite starts from: nothing of the caller's environment decides a test."""

from __future__ import annotations

import os
import signal

import pytest

# A caller's own value would be a second time stamp for everything that is built.
os.environ.pop("SOURCE_DATE_EPOCH", None)
# A run in the background starts with Ctrl-C ignored, and so would the programs whose Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Their assertions tell what was compared, as those of the tests do.
pytest.register_assert_rewrite("tests.unit.kit", "tests.unit.shipped", "tests.package.readers")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Define what every suite knows."""
    parser.getgroup("suites").addoption("--long", action="store_true", help="the long form: more rounds, more cases")
