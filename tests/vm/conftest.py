"""Options and fixtures of the stories on booted machines."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.distributions import select
from tests.support.machines.disk import baked_disk, guest_disk
from tests.support.machines.guest import MEMORY, Guest, Plan, running_guest
from tests.support.machines.hosts import SETTINGS_PATH, Uplink, settings_text, stock
from tests.support.machines.lan import Lan, running_lan
from tests.support.machines.snapshot import Scene, resumed

HERE = Path(__file__).resolve().parent


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vm", "booted machines (tests/vm)")
    with contextlib.suppress(ValueError):  # the install stories have it too: who comes first defines the option
        group.addoption("--package", default="", metavar="PATH", help="this package, not the one in dist/")
        group.addoption("--registrator", default="", metavar="PATH", help="this static Registrator, not the stand-in")


@pytest.fixture(scope="session")
def package(request: pytest.FixtureRequest) -> Path:
    """Give the package under test: what `inv build` left, or what --package names."""
    if given := str(request.config.getoption("package", default="")):
        return Path(given).resolve(strict=True)
    found = sorted((ROOT / "dist").glob("consul-docker-host_*_all.deb"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise BuildError("dist/ contains no consul-docker-host_*_all.deb", hint="run ./inv build")
    return found[-1]


@pytest.fixture(scope="session")
def registrator(request: pytest.FixtureRequest) -> Path | None:
    """Give the Registrator that --registrator names; None: the stand-in."""
    given = str(request.config.getoption("registrator"))
    return Path(given).resolve(strict=True) if given else None


def boot(guests: Sequence[Guest]) -> None:
    """Let guests boot to the end, at the same time."""

    def wait(guest: Guest) -> None:
        assert guest.wait_for_boot() == "running", guest.report()

    with ThreadPoolExecutor(max_workers=len(guests)) as pool:
        list(pool.map(wait, guests))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """Where guests are made: a network of their own, and the folder that keeps their disks and consoles."""

    lan: Lan
    folder: Path
    stack: contextlib.ExitStack
    package: Path
    registrator: Path | None

    def plan(
        self,
        name: str,
        number: int,
        *,
        distribution: str,
        uplink: Uplink,
        is_baked: bool = False,
        has_package: bool = True,
        memory: str = MEMORY,
        settings: Mapping[str, str] | None = None,
        more: Uplink | None = None,
        devices: tuple[str, ...] = (),
    ) -> Plan:
        """Return what makes a guest; its disk is made where it is missing.

        The package lies ready on it, unless ``has_package`` is False. A baked one has Consul in it and the package as
        well, with ``settings`` in the host's own file before its first boot. ``more`` are files and links beside those
        of the uplink; ``memory`` is in MiB, ``devices`` are further arguments of QEMU.
        """
        chosen = select(distribution)[0]
        package = self.package if has_package else None
        disk = baked_disk(chosen, package) if is_baked else guest_disk(chosen)
        extra = more or Uplink(files={})
        files: dict[str, str | bytes | Path] = {**stock(package, self.registrator), **uplink.files, **extra.files}
        if settings:
            files[SETTINGS_PATH] = settings_text(settings)
        links = {**uplink.links, **extra.links}
        return Plan(name=name, number=number, disk=disk, files=files, links=links, memory=memory, devices=devices)

    def guest(self, plan: Plan) -> Guest:
        """Switch a guest on; it ends with the module that uses it."""
        return self.stack.enter_context(running_guest(plan, self.lan, self.folder / plan.name))

    def resumed(self, name: str, *plans: Plan, settle: Callable[[Sequence[Guest]], object] = boot) -> tuple[Guest, ...]:
        """Give guests that were booted and settled once for this content, resumed from there (a scene)."""
        scene = Scene(name=name, plans=plans, settle=settle)
        return self.stack.enter_context(resumed(scene, self.lan, self.folder))


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    """Give the guests' network. Its folder's path is short, because a Unix socket's may have 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="vm-", dir="/tmp") as folder, running_lan(Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def bed(lan: Lan, package: Path, registrator: Path | None) -> Iterator[Bed]:
    with contextlib.ExitStack() as stack:
        yield Bed(lan=lan, folder=lan.folder, stack=stack, package=package, registrator=registrator)
