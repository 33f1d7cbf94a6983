"""Options and fixtures of the unit tests: no test writes into the checkout or the user's cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from consul_docker_host.backends.nfpm import NfpmBackend
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package import archive_sources
from consul_docker_host.package.control import artefact_name
from consul_docker_host.package.plan import Plan
from consul_docker_host.package.plans import make_keyring_plan
from consul_docker_host.repository import signing
from consul_docker_host.settings.load import project_settings
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


@pytest.fixture(scope="session")
def archive_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder with an archive's key, as ``inv repo.key`` makes it."""
    folder = tmp_path_factory.mktemp("keys") / "key"
    signing.make_key(Workspace(), folder, add=False)
    yield folder
    # A test that was killed on purpose could not end it.
    signing.end_agent({"GNUPGHOME": str(folder)})


@pytest.fixture(scope="session")
def keyring_rpms(tmp_path_factory: pytest.TempPathFactory, archive_key: Path) -> tuple[Path, ...]:
    """Return small rpms of two versions, and one that has the name of the second and other bytes."""
    made = []
    for version, url in (("1.0", "https://a.example"), ("2.0", "https://a.example"), ("2.0", "https://b.example")):
        work = copy_checkout(tmp_path_factory.mktemp("rpm") / "checkout")
        (work.root / "archive.asc").write_text((archive_key / archive_sources.KEY_NAME).read_text())
        (work.root / "my.toml").write_text(
            f'[package]\nversion = "{version}"\n[repository]\nurl = "{url}"\nkey_file = "archive.asc"\n'
        )
        plan = make_keyring_plan(project_settings(work, work.root / "my.toml"), work)
        assert plan
        made.append(work.root / artefact_name(plan, "rpm"))
        NfpmBackend().build(plan, "rpm", made[-1])
    return tuple(made)
