"""A rendered tree in a temporary folder, and how its scripts are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consul_docker_host.core.run import Result, failure_text
from consul_docker_host.package.description import collect_payload, load_package
from consul_docker_host.package.render import render_files
from consul_docker_host.settings.load import load_settings
from tests.host.questions import fake_program, unknown_questions
from tests.support.machine import COMMAND_SECONDS, File, Machine
from tests.support.speed import scaled

if TYPE_CHECKING:
    from tests.host.healthy import HealthyHost
    from tests.host.network import Network

# The host's program is imported from where it is shipped: no bytecode may be left there.
sys.dont_write_bytecode = True

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = "usr/lib/consul-docker-host"
COMMAND = "usr/bin/consul-docker-host"


def render(target: Path, own: str = "") -> Path:
    """Render the payload below ``target``, with the settings in the TOML text ``own`` in place of the defaults."""
    override = target.with_suffix(".toml")
    override.write_text(own, encoding="utf-8")
    settings = load_settings(REPOSITORY / "packaging/settings.toml", override)
    package = load_package(REPOSITORY / "packaging/packages/consul-docker-host.toml")
    for rendered in render_files(
        settings, collect_payload(package, REPOSITORY / "files"), REPOSITORY / "files", epoch=0
    ):
        path = target / rendered.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rendered.content)
        path.chmod(rendered.mode)
    return target


@dataclass(frozen=True, slots=True)
class FakeHost(Machine):
    """A folder that stands for a host's root, with a folder of fake programs first on PATH."""

    root: Path
    fakes: Path

    @property
    def name(self) -> str:
        """The directory that stands for its root."""
        return str(self.root)

    def run(self, command: str | Sequence[str], *, check: bool = True, seconds: float = COMMAND_SECONDS) -> Result:
        """Run a program of this machine, or a line of shell, in the host's root and with the fakes first on PATH."""
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        done = subprocess.run(
            argv,
            cwd=self.root,
            env={
                "PATH": f"{self.fakes}:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG": "C.UTF-8",
                "CONSUL_DOCKER_HOST_ROOT": str(self.root),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=scaled(seconds),
        )
        result = Result(argv=tuple(argv), returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)
        assert not check or result.returncode == 0, failure_text(result)
        return result

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file below the root."""
        self.write(path.lstrip("/"), data).chmod(mode)

    def file(self, path: str) -> File:
        """Return a path below the root."""
        return File(machine=self, path=str(self.root / path.lstrip("/")))

    def report(self) -> str:
        """Return what each fake was asked."""
        calls = sorted(self.fakes.glob("*.calls"))
        return "\n".join(f"--- {path.stem}\n{path.read_text(encoding='utf-8')}" for path in calls)

    def call(self, path: str, *arguments: str, code: int | None = 0, netns: str = "") -> Result:
        """Run a script of the tree, by its path in there; ``code`` is the expected exit code."""
        prefix = ["ip", "netns", "exec", netns] if netns else []
        result = self.run([*prefix, str(self.root / path), *arguments], check=False)
        assert code is None or result.returncode == code, result.output
        return result

    def script(self, name: str, *arguments: str, code: int | None = 0) -> Result:
        """Run one of the scripts below usr/lib/consul-docker-host."""
        return self.call(f"{SCRIPTS}/{name}", *arguments, code=code)

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file below the root, byte for byte."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def read(self, path: str) -> str:
        """Return the text of a file below the root, line ends untouched."""
        return (self.root / path).read_bytes().decode()

    def configure(self, text: str) -> None:
        """Write /etc/default/consul-docker-host."""
        self.write("etc/default/consul-docker-host", text)

    def fake(self, name: str, body: str = "") -> Path:
        """Put a program first on PATH that answers its known questions and fails the test on another.

        It writes down its arguments, one call a line; return that record.
        """
        return self._put(name, fake_program(name, body))

    def replace(self, name: str, body: str) -> Path:
        """Put a program first on PATH that does the same whatever it is asked: it is broken, or becomes the real one.

        It writes down its arguments, one call a line; return that record.
        """
        return self._put(name, f'#!/bin/sh\necho "$@" >>"$0.calls"\n{body}\n')

    def _put(self, name: str, text: str) -> Path:
        program = self.fakes / name
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
        return self.fakes / f"{name}.calls"

    def fail_on_unknown_questions(self) -> None:
        """Fail the test where a fake was asked something that it does not know."""
        if unknown := unknown_questions(self.fakes):
            pytest.fail("a fake does not know what it was asked (tests/host/questions.py):\n" + "\n".join(unknown))


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("rendered") / "tree")


@pytest.fixture
def host(rendered: Path, tmp_path: Path) -> Iterator[FakeHost]:
    shutil.copytree(rendered, tmp_path / "root", symlinks=True)
    (tmp_path / "fakes").mkdir()
    made = FakeHost(root=tmp_path / "root", fakes=tmp_path / "fakes")
    yield made
    made.fail_on_unknown_questions()


@pytest.fixture(scope="session")
def healthy_template(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Here and not above: that module imports this one.
    from tests.host.healthy import make_healthy  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("healthy")
    shutil.copytree(rendered, folder / "root", symlinks=True)
    make_healthy(FakeHost(root=folder / "root", fakes=folder / "fakes"))
    return folder


@pytest.fixture
def healthy(healthy_template: Path, tmp_path: Path) -> Iterator[HealthyHost]:
    """Give a host on which every link of the chain works, without a network."""
    from tests.host.healthy import HealthyHost  # noqa: PLC0415

    shutil.copytree(healthy_template, tmp_path / "healthy", symlinks=True)
    made = FakeHost(root=tmp_path / "healthy/root", fakes=tmp_path / "healthy/fakes")
    yield HealthyHost(host=made)
    made.fail_on_unknown_questions()


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    """Give the networks of a host and of a container."""
    from tests.host.network import make_network  # noqa: PLC0415

    fail_without_root()
    with make_network() as network:
        yield network


@pytest.fixture
def connected(healthy: HealthyHost, network: Network) -> HealthyHost:
    """Give the same host with a network, in which its command is run."""
    from tests.host.healthy import PROCESS, HealthyHost  # noqa: PLC0415

    entry = healthy.host.root / f"proc/{PROCESS}/ns/net"
    entry.parent.mkdir(parents=True)
    entry.symlink_to(f"/proc/{network.container.pid}/ns/net")
    return HealthyHost(host=healthy.host, network=network)


@pytest.fixture
def root() -> None:
    """Fail, and do not skip, where nobody may make namespaces and mounts."""
    fail_without_root()


def fail_without_root() -> None:
    """Fail where nobody may make namespaces and mounts."""
    if os.geteuid() != 0:
        pytest.fail("only root makes network namespaces and mounts: sudo ./inv test.unit")


needs_root = pytest.mark.usefixtures("root")
