"""The time of `check` and `status` on a host on which all is well, beside the former ones in shell, in one run.

`inv bench.check` runs this file. Both are the commands of a rendered tree in the same network namespace, with the same
servers and the same fakes for what only a whole host has; they are taken in turn. The former tree is that of the last
commit with the shell version, from the checkout's own history.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.host.conftest import COMMAND, FakeHost
from tests.host.former import SHELL, render_former
from tests.host.healthy import ADDRESS, PROCESS, HealthyHost, make_healthy
from tests.host.network import Network
from tests.support.figures import tell

GOAL = 1.2
# What the former version called beside the fakes, and what it asked Docker.
FORMER_TOOLS = ("awk", "bash", "curl", "cut", "dd", "jq", "od", "sed", "tail")
ENTER = 'pid=$2; shift 3; exec {nsenter} --net="$CONSUL_DOCKER_HOST_ROOT/proc/$pid/ns/net" "$@"'
INSPECT = f'case "$1 $2" in "inspect -f") echo "/web {PROCESS} [{ADDRESS}]"; exit ;; esac\n'


@dataclass(frozen=True, slots=True)
class Timed:
    """The seconds of one run: by the clock, and on all processors together."""

    clock: float
    processors: float


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory, network: Network) -> HealthyHost:
    """Give the host as it was."""
    folder = tmp_path_factory.mktemp("former")
    shutil.copytree(render_former(SHELL, folder / "checkout"), folder / "root", symlinks=True)
    host = FakeHost(root=folder / "root", fakes=folder / "fakes")
    healthy = make_connected(host, network)
    host.write(f"proc/{PROCESS}/root/etc/resolv.conf", f"nameserver {ADDRESS}\n")
    for name in FORMER_TOOLS:
        if not (tool := host.fakes / "tools" / name).exists():
            tool.symlink_to(str(shutil.which(name)))
    host.replace("nsenter", ENTER.format(nsenter=shutil.which("nsenter")))
    docker = (host.fakes / "docker").read_text().partition("\n")[2]
    (host.fakes / "docker").write_text(f"#!/bin/sh\n{INSPECT}{docker}")
    return healthy


@pytest.fixture(scope="module")
def today(rendered: Path, tmp_path_factory: pytest.TempPathFactory, network: Network) -> HealthyHost:
    """Give the host as it is."""
    folder = tmp_path_factory.mktemp("today")
    shutil.copytree(rendered, folder / "root", symlinks=True)
    return make_connected(FakeHost(root=folder / "root", fakes=folder / "fakes"), network)


def make_connected(host: FakeHost, network: Network) -> HealthyHost:
    """Make a host on which all is well, in the network."""
    made = make_healthy(host)
    entry = host.root / f"proc/{PROCESS}/ns/net"
    entry.parent.mkdir(parents=True)
    entry.symlink_to(f"/proc/{network.container.pid}/ns/net")
    # As on a host whose Consul has read all of its files.
    host.write("run/consul-docker-host/consul.started", "")
    return HealthyHost(host=made.host, network=network)


@pytest.fixture(scope="module", autouse=True)
def served(network: Network, today: HealthyHost) -> Iterator[None]:
    """Let agent and DNS answer, for both hosts."""
    with network.serve(today.data):
        yield


def timed(healthy: HealthyHost, command: str) -> Timed:
    """Run the command; it finds nothing wrong."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = healthy.start(str(healthy.host.root / COMMAND), command)
    clock, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    return Timed(clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


@pytest.mark.parametrize("command", ["check", "status"])
def test_the_time_of_a_command(former: HealthyHost, today: HealthyHost, rounds: int, command: str) -> None:
    taken: dict[str, list[Timed]] = {"former": [], "today": []}
    for _ in range(rounds):
        taken["former"].append(timed(former, command))
        taken["today"].append(timed(today, command))
    for name in ("clock", "processors"):
        before, after = (statistics.median(getattr(run, name) for run in runs) for runs in taken.values())
        text = f"{command} by the {name}: {after * 1000:.0f} ms / {before * 1000:.0f} ms in shell (medians of {rounds})"
        tell(text, f"{after / before:.2f}", f"<= {GOAL:.2f}")
