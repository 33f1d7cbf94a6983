"""Options and fixtures of the package tests: copies of the checkout, each built by its own tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.programs import find_fpm
from consul_docker_host.core.workspace import Workspace, cache_folder
from tests.support.shared import make_once, worker_number
from tests.unit.kit import ARCHIVE_KEY, RICH, copy_checkout, inv

BACKENDS = ("fpm", "nfpm")
Build = Callable[..., Workspace]


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("long"))


@pytest.fixture(scope="session", autouse=True)
def _fpm() -> None:
    """Demand fpm: half of these tests compare with it."""
    if not find_fpm():
        raise BuildError("fpm is neither on the PATH nor in the cache", hint="./inv setup.system installs it")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a user's cache that has nothing but the fpm of this machine's."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "consul-docker-host").mkdir()
    (folder / "consul-docker-host" / "fpm").symlink_to(cache_folder("fpm"))
    return folder


def built(
    work: Workspace,
    backend: str,
    *,
    cache: Path,
    rich: bool = True,
    env: Mapping[str, str] | None = None,
    before: str = "",
) -> Workspace:
    """Build a copy of the checkout by its own tasks, from the rich settings or the default ones."""
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    (work.root / "rich.toml").write_text(RICH.read_text(encoding="utf-8"), encoding="utf-8")
    options = ("--settings", "rich.toml") if rich else ()
    environment = {"XDG_CACHE_HOME": str(cache), **(env or {})}
    done = inv(work, "build", "--backend", backend, *options, env=environment, before=before)
    if done.returncode:
        raise AssertionError(done.output)
    return work


def shared_builds(factory: pytest.TempPathFactory, cache: Path, *, rich: bool) -> dict[str, Workspace]:
    """Return a build by each backend that all workers share; nobody may change it."""
    builds = {}
    # Two workers begin with different backends and so build beside each other.
    for backend in BACKENDS if worker_number() % 2 == 0 else BACKENDS[::-1]:

        def make(folder: Path, backend: str = backend) -> None:
            built(copy_checkout(folder), backend, cache=cache, rich=rich)

        name = f"{'rich' if rich else 'default'}-{backend}"
        builds[backend] = Workspace(root=make_once(factory, name, make))
    return builds


@pytest.fixture(scope="session")
def default_builds(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, Workspace]:
    """Return a build of the default settings by each backend."""
    return shared_builds(tmp_path_factory, cache, rich=False)


@pytest.fixture(scope="session")
def rich_builds(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, Workspace]:
    """Return a build of the rich settings by each backend."""
    return shared_builds(tmp_path_factory, cache, rich=True)


@pytest.fixture(params=["default", "rich"])
def builds(
    request: pytest.FixtureRequest, default_builds: dict[str, Workspace], rich_builds: dict[str, Workspace]
) -> dict[str, Workspace]:
    """Return the builds by each backend, for either settings."""
    return default_builds if request.param == "default" else rich_builds


def artefact(work: Workspace, suffix: str, name: str = "consul-docker-host") -> Path:
    """Return the one artefact of a package with a suffix."""
    (path,) = work.dist.glob(f"{name}[_-][0-9]*{suffix}")
    return path
