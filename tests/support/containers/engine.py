"""The Docker engine of the tests: the machine's own where one answers, else one that is started for the run.

An engine of ours serves every test process of this user: each holds a shared lock while it needs the engine, and the
one that finds itself the last stops it. A killed run drops its lock with its process; the next one takes over
whatever it left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import docker
from docker.errors import APIError, DockerException

from consul_docker_host.core import run
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.workspace import cache_folder, content_key

LABEL = "consul-docker-host.test"  # on everything made here; the value is the process that made it
API_TIMEOUT = 300
START_SECONDS = 60.0
STOP_SECONDS = 45.0


class Handle(Protocol):
    """What `run.start` returns, as far as it matters here."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code as soon as it has ended."""


# An engine may outlive the process that started it, when another still uses it. Its handle is kept here because
# Python complains about a handle that is dropped while its program runs.
_started: list[Handle] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEngine:
    """The files of an engine of ours.

    The data folder is in the cache, so that imported images stay warm. Sockets are in a short folder of their own:
    a Unix socket's path ends at 108 bytes, and containerd adds some to ours.
    """

    data: Path
    runtime: Path

    @property
    def socket(self) -> Path:
        """Where the engine listens."""
        return self.runtime / "docker.sock"

    @property
    def pid_file(self) -> Path:
        """Where the engine notes its process."""
        return self.runtime / "docker.pid"

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"unix://{self.socket}"

    def client(self) -> docker.DockerClient | None:
        """Return a client if the engine answers."""
        return answering(self.url)

    @property
    def containerd_pid_file(self) -> Path:
        """Where the engine notes the process of its containerd."""
        return self.runtime / "exec" / "containerd" / "containerd.pid"

    def process(self, pid_file: Path) -> int | None:
        """Return the process that the file names; None if it is gone, or its number was given to another program."""
        try:
            pid = int(pid_file.read_text())
            command = Path("/proc", str(pid), "cmdline").read_bytes()  # empty for a zombie
        except (OSError, ValueError):
            return None
        return pid if str(self.runtime).encode() in command else None


def own_engine() -> OwnEngine:
    """Return the engine that belongs to this user's cache."""
    data = cache_folder("engine")
    return OwnEngine(data=data, runtime=Path("/run", f"cdh-test-{content_key([str(data)])[:8]}"))


def answering(url: str | None) -> docker.DockerClient | None:
    """Return a client for the engine at ``url`` (None: the SDK's default environment) if it answers a ping."""
    address = url or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if address.startswith("unix://") and not is_listening(address.removeprefix("unix://")):
        return None
    try:
        client = docker.from_env(timeout=API_TIMEOUT) if url is None else docker.DockerClient(url, timeout=API_TIMEOUT)
    except DockerException:
        return None
    with contextlib.suppress(DockerException):
        if client.ping():
            return client
    client.close()
    return None


def is_listening(path: str) -> bool:
    """Say whether somebody accepts connections there. The SDK would leave an unclosed socket behind if nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        return probe.connect_ex(path) == 0


@contextlib.contextmanager
def running_engine() -> Iterator[docker.DockerClient]:
    """Give a client of an engine that runs until the block ends."""
    if client := answering(None):
        try:
            remove_orphans(client)
            yield client
        finally:
            client.close()
        return
    if os.geteuid() != 0:
        raise BuildError(
            "no Docker engine answers, and only root can start one",
            hint="start Docker and join its group, set DOCKER_HOST, or run the tests as root with docker.io installed",
        )
    with shared_engine(own_engine()) as client:
        yield client


@contextlib.contextmanager
def shared_engine(engine: OwnEngine) -> Iterator[docker.DockerClient]:
    """Give a client of our own engine; start it as the first, stop it as the last of its users."""
    engine.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    gate, users = Lock(engine.runtime / "gate.lock"), Lock(engine.runtime / "users.lock")
    with gate:
        users.acquire(shared=True)
        client = engine.client() or start(engine)
    try:
        remove_orphans(client)
        yield client
    finally:
        with gate:
            users.release()
            is_last = users.try_acquire()
            if is_last:
                remove_orphans(client, including=os.getpid())
            client.close()
            if is_last:
                stop(engine)
            users.release()


def engine_command(engine: OwnEngine, dockerd: Path) -> list[str]:
    """Return the argv of an engine that touches nothing of the machine but its own files and test bridges."""
    return [
        str(dockerd),
        f"--host={engine.url}",
        f"--data-root={engine.data}",
        f"--exec-root={engine.runtime}/exec",
        f"--pidfile={engine.pid_file}",
        f"--config-file={engine.runtime}/daemon.json",
        # A containerd that the machine already runs is shared with other engines: keep our containers apart.
        f"--containerd-namespace={engine.runtime.name}",
        f"--containerd-plugins-namespace={engine.runtime.name}-plugins",
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        "--ip-masq=false",
        "--bridge=none",
    ]


def start(engine: OwnEngine) -> docker.DockerClient:
    """Start the engine and return a client as soon as it answers."""
    dockerd = run.find_program("dockerd")
    if dockerd is None:
        raise BuildError("dockerd is not on the PATH", hint="install docker.io, or set DOCKER_HOST to a running engine")
    stop(engine)
    (engine.runtime / "daemon.json").write_text("{}\n")
    log = engine.runtime / "dockerd.log"
    log.write_text("")
    process = run.start(engine_command(engine, dockerd), log=log)
    _started.append(process)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if client := engine.client():
            return client
        if process.poll() is not None:
            break
        time.sleep(0.1)
    process.kill()
    process.wait()
    tail = "\n".join("    " + line for line in log.read_text(errors="replace").splitlines()[-20:])
    raise BuildError(f"dockerd did not come up within {START_SECONDS:g} s\n{tail}", hint=f"its whole log: {log}")


def stop(engine: OwnEngine) -> None:
    """End the engine if it runs, and clear what a killed one leaves: it would wait for a process that is gone."""
    ended: set[int] = set()
    for pid_file in (engine.pid_file, engine.containerd_pid_file):
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 10.0)):
            pid = engine.process(pid_file)
            if pid is None:
                break
            os.kill(pid, number)
            ended.add(pid)
            deadline = time.monotonic() + seconds
            while engine.process(pid_file) is not None and time.monotonic() < deadline:
                time.sleep(0.1)
        pid_file.unlink(missing_ok=True)
    engine.socket.unlink(missing_ok=True)
    for handle in _started:
        if handle.pid in ended:
            handle.wait(timeout=10)  # the exit code of a child of ours must be fetched


def remove_orphans(client: docker.DockerClient, *, including: int | None = None) -> None:
    """Remove the test containers and networks whose process is gone (or is ``including``)."""
    label: dict[str, str | list[str] | bool] = {"label": LABEL}
    for container in client.containers.list(all=True, ignore_removed=True, filters=label):
        if is_orphan(container.labels, including):
            with contextlib.suppress(APIError):  # another process may be removing it just now
                container.remove(force=True, v=True)
    for network in client.networks.list(filters=label):
        if is_orphan(network.attrs["Labels"], including):
            with contextlib.suppress(APIError):
                network.remove()


def is_orphan(labels: Mapping[str, str], including: int | None) -> bool:
    """Say whether the process that these labels name is gone."""
    owner = labels.get(LABEL, "")
    return not owner.isdecimal() or int(owner) == including or not Path("/proc", owner).exists()
