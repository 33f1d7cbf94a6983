"""Options and fixtures of the install stories.

The stories of one file and distribution go to one worker, in their order, because they share a host.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consul_docker_host.prove.distributions import Distribution, Family
from tests.conftest import leave_out
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import base_image, system_recipe
from tests.support.containers.official import official_image
from tests.support.containers.settled import ready_image, settled_image
from tests.support.containers.upstream import Upstream, running_upstream
from tests.support.fixtures import bed, engine
from tests.support.packages import Installer, built_package, wait_for_consul
from tests.support.programs.consul import consul_image
from tests.support.programs.registrator import standin_program
from tests.support.rpm.system import rpm_image
from tests.support.schedule import pytest_xdist_make_scheduler
from tests.support.selection import leave_out_by_marks, parametrize_distribution
from tests.support.variants import earlier_version

if TYPE_CHECKING:
    import docker

__all__ = ["bed", "engine", "pytest_xdist_make_scheduler"]  # pytest finds fixtures and hooks here

HERE = Path(__file__).resolve().parent


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("install", "install stories (tests/install)")
    group.addoption("--distro", default="", metavar="NAME", help="only this distribution of distributions.toml")
    group.addoption("--official", action="store_true", help="from the official image, also where mmdebstrap makes one")
    group.addoption("--story", default="", metavar="WORD", help="only the stories with this word in their file's name")
    group.addoption("--package", default="", metavar="PATH", help="this package, not the one in dist/")
    group.addoption("--registrator", default="", metavar="PATH", help="this static Registrator, not the stand-in")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize_distribution(metafunc)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the stories that --story does not name, and the distributions that their marks exclude."""
    word = str(config.getoption("story", default=""))
    leave_out(config, items, lambda item: HERE in item.path.parents and word not in item.path.stem)
    leave_out_by_marks(config, items)


@pytest.fixture(scope="session")
def base(request: pytest.FixtureRequest, engine: docker.DockerClient, distribution: Distribution) -> str:
    """Give the image of a plain host."""
    if request.config.getoption("official") or not distribution.suite:
        return official_image(engine, distribution)
    if distribution.family is Family.RPM:
        return rpm_image(engine, distribution)
    return base_image(engine, system_recipe(distribution))


@pytest.fixture(scope="session")
def consul_base(engine: docker.DockerClient, distribution: Distribution, base: str) -> str:
    """Give the image of a host with Consul, neither enabled nor running."""
    return consul_image(engine, base, distribution)


@pytest.fixture(scope="session")
def upstream(engine: docker.DockerClient, bed: Bed, distribution: Distribution, base: str) -> Iterator[Upstream]:
    """Give the site's name server."""
    with running_upstream(engine, bed.network, base, distribution.family) as running:
        yield running


@pytest.fixture(scope="session")
def package(request: pytest.FixtureRequest, distribution: Distribution) -> Path:
    """Give the package under test: what `inv build` left, or what --package names."""
    if given := str(request.config.getoption("package", default="")):
        return Path(given).resolve(strict=True)
    return built_package(distribution.family)


@pytest.fixture(scope="session")
def registrator(request: pytest.FixtureRequest) -> Path:
    """Give Registrator's program: what --registrator names, or the stand-in."""
    given = str(request.config.getoption("registrator"))
    return Path(given).resolve(strict=True) if given else standin_program()


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory, distribution: Distribution) -> Path:
    """Give an earlier version of the package, which differs in files, units and conffiles."""
    return earlier_version(
        tmp_path_factory.mktemp("old") / "checkout", "deb" if distribution.family is Family.DEB else "rpm"
    )


@pytest.fixture(scope="session")
def installer(package: Path, distribution: Distribution) -> Installer:
    """How the distribution installs and removes the package."""
    return Installer(package=package, family=distribution.family)


@pytest.fixture(scope="session")
def ready_base(bed: Bed, base: str, distribution: Distribution, installer: Installer) -> str:
    """Give the image of a host without Consul on which all that the package depends on is installed."""
    return ready_image(bed, base, f"{distribution.name}-alone", installer)


@pytest.fixture(scope="session")
def ready(bed: Bed, consul_base: str, distribution: Distribution, installer: Installer) -> str:
    """Give the image of a host with Consul on which all that the package depends on is installed."""
    return ready_image(bed, consul_base, distribution.name, installer)


@pytest.fixture(scope="session")
def settled(bed: Bed, ready: str, distribution: Distribution, installer: Installer) -> str:
    """Give the image of a host with the package that has been a cluster of one."""
    return settled_image(bed, ready, distribution.name, installer)


@pytest.fixture(scope="module")
def server(bed: Bed, settled: str, upstream: Upstream, distribution: Distribution) -> Iterator[Host]:
    """Give the host that the article promises: Consul as a cluster of one, our package, a hand-written resolv.conf."""
    with bed.host(settled, name=distribution.name, resolv_conf=upstream.resolv_conf) as host:
        wait_for_consul(host)
        yield host
