"""Options and fixtures of the unit tests: no test writes into the checkout or the user's cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from consul_docker_host.plan import Plan
from consul_docker_host.workspace import Workspace
from tests.unit.kit import copy_checkout, plan_of

# The same examples in every run: a pipeline that fails by chance teaches nobody.
COMMON = {"derandomize": True, "deadline": None, "database": None}
hypothesis_settings.register_profile("short", max_examples=300, **COMMON)  # type: ignore[arg-type]
hypothesis_settings.register_profile("long", max_examples=3000, **COMMON)  # type: ignore[arg-type]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("unit", "unit tests (tests/unit)")
    group.addoption("--rewrite-golden", action="store_true", help="write tests/golden from what is rendered now")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis_settings.load_profile("long" if config.getoption("long") else "short")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("long"))


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    """Return a copy of the checkout that the test may change."""
    return copy_checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def shared_work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a copy of the checkout that no test changes."""
    return copy_checkout(tmp_path_factory.mktemp("shared") / "checkout")


@pytest.fixture(scope="session")
def plan(shared_work: Workspace) -> Plan:
    """Return the plan of the default settings, rendered; not to be changed."""
    return plan_of(shared_work)
