"""Figures of a deploy to many hosts, beside bare ssh that runs the same commands; none of them fails a test.

`inv bench.deploy` runs this file. The hosts are containers with sshd and all that the package depends on, without
systemd: what is compared is the way to the hosts. One host's sshd first writes down what a deploy asks of it; bare
OpenSSH then asks all hosts the same, each by one connection and all at once, in turn with the deploy.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from docker.errors import APIError
from docker.models.containers import Container

from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.distributions import read_distributions
from pyinfra_deploy.data import LINKS
from tests.deploy.kit import SSHD
from tests.support.containers.bed import Bed
from tests.support.containers.engine import LABEL
from tests.support.containers.host import Host
from tests.support.containers.images import DEPENDENCIES, base_image, derived_image, prepare, system_recipe
from tests.support.figures import tell
from tests.support.packages import NAME

HOSTS = 50
FEW = 10
GOAL_INSTALL = 1.3
GOAL_FLAT = 1.3
DEPLOY_SECONDS = 900.0
INSTALL_DEPENDENCIES = (
    f"apt-get install --yes --no-install-recommends {' '.join(DEPENDENCIES)}",
    "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*",
)
# Notes each command of ssh's, an item each; what comes by standard input stays with the command.
RECORDER = r"""printf '%s\0' "$SSH_ORIGINAL_COMMAND" >>/root/commands; exec sh -c "$SSH_ORIGINAL_COMMAND" """
# Prints the largest resident set of the program and of those that it starts, in KiB, as its last line.
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm:
    """Hosts with sshd by address, the folder with the operator's files, and what a deploy asks of a host."""

    hosts: tuple[Host, ...]
    addresses: tuple[str, ...]
    folder: Path

    def inventory(self, count: int, *, first: int = 0) -> Path:
        """Write an inventory of so many hosts."""
        data = {
            "ssh_user": "root",
            "ssh_key": str(self.folder / "key"),
            "ssh_known_hosts_file": str(self.folder / "known_hosts"),
            "cdh_packages": str(ROOT / "dist"),
            "cdh_datacenter": "bench",
            # Without systemd nothing runs: the question is asked all the same.
            "cdh_may_break": list(LINKS),
        }
        path = self.folder / f"fleet-{count}.py"
        path.write_text(f"hosts = ({list(self.addresses[first : first + count])!r}, {data!r})\n", encoding="utf-8")
        return path

    def deploy(self, count: int, *options: str, first: int = 0) -> tuple[float, float]:
        """Deploy to so many hosts and return the seconds and the largest process in MiB."""
        argv = [sys.executable, "-c", MEASURED, sys.executable, "-m", "invoke", "deploy", "--json", *options]
        begin = time.perf_counter()
        done = run(
            [*argv, f"--inventory={self.inventory(count, first=first)}"], cwd=ROOT, timeout=DEPLOY_SECONDS, check=False
        )
        seconds = time.perf_counter() - begin
        assert done.returncode == 0, done.output
        return seconds, int(done.stdout.split()[-1]) / 1024

    def reset(self, count: int) -> None:
        """Take the package off again, by the engine's door."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            line = f"dpkg --purge {NAME} && rm -rf /etc/{NAME} /var/cache/{NAME} /etc/default/{NAME}"
            list(pool.map(lambda host: host.run(line, seconds=120), self.hosts[:count]))

    def bare(self, count: int, commands: Sequence[str]) -> float:
        """Run the commands on so many hosts at once by OpenSSH and return the seconds."""
        package = max((ROOT / "dist").glob(f"{NAME}_*_all.deb"), key=lambda path: path.stat().st_mtime)
        text = "".join(f'{key}="{value}"\n' for key, value in (("DATACENTER", "bench"), ("ROLE", "client")))

        def work(address: str) -> None:
            control = self.folder / f"c-{address}"
            ssh = ["ssh", "-F", "none", "-i", str(self.folder / "key"), "-o", "StrictHostKeyChecking=no"]
            ssh += ["-o", f"UserKnownHostsFile={self.folder / 'bare_hosts'}", "-o", "LogLevel=ERROR"]
            ssh += ["-o", "ControlMaster=auto", "-o", f"ControlPath={control}", "-o", "ControlPersist=60"]
            for command in commands:
                if "sftp-server" in command:
                    target = f"/var/cache/{NAME}/{package.name}"
                    scp = ["scp", "-q", *ssh[1:], str(package), f"root@{address}:{target}"]
                    run(scp, timeout=DEPLOY_SECONDS)
                else:
                    run([*ssh, f"root@{address}", command], stdin=text, timeout=DEPLOY_SECONDS)
            run([*ssh, "-O", "exit", f"root@{address}"], check=False)

        begin = time.perf_counter()
        with ThreadPoolExecutor(max_workers=count) as pool:
            list(pool.map(work, self.addresses[:count]))
        return time.perf_counter() - begin


def sshd_image(client: docker.DockerClient) -> str:
    """Return the image of a host with sshd and the package's dependencies."""
    distribution = next(one for one in read_distributions() if one.name == "debian-12")
    base = base_image(client, system_recipe(distribution, *SSHD))

    def change(container: Container) -> None:
        for line in INSTALL_DEPENDENCIES:
            prepare(container, f"export DEBIAN_FRONTEND=noninteractive; {line}")

    return derived_image(client, base, "bench-deploy", key=INSTALL_DEPENDENCIES, change=change)


@contextlib.contextmanager
def sshd(bed: Bed, image: str, key: str) -> Iterator[Host]:
    """Give a host that runs sshd and nothing else."""
    script = (
        "mkdir -p -m 0700 /root/.ssh /run/sshd && cat >/root/.ssh/authorized_keys <<END\n"
        f"{key}\nEND\nexec /usr/sbin/sshd -D -e"
    )
    container = bed.client.containers.run(
        image,
        ["sh", "-c", script],
        name=f"cdh-bench-{uuid.uuid4().hex[:8]}",
        network=bed.network.name,
        labels={LABEL: str(os.getpid())},
        init=True,
        detach=True,
    )
    try:
        yield Host(container=container, name=container.name or "")
    finally:
        with contextlib.suppress(APIError):
            container.remove(force=True, v=True)


@pytest.fixture(scope="module")
def farm(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Give the hosts, and last among them the one that writes down what is asked."""
    folder = tmp_path_factory.mktemp("farm")
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")])
    key = (folder / "key.pub").read_text().strip()
    image = sshd_image(bed.client)
    recorder = RECORDER.replace("\\", "\\\\").replace('"', r"\"")
    keys = [key] * HOSTS + [f'command="{recorder}" {key}'.replace("$", r"\$")]
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(sshd(bed, image, one)) for one in keys]
        yield Farm(hosts=tuple(hosts), addresses=tuple(host.address() for host in hosts), folder=folder)


@pytest.fixture(scope="module")
def commands(farm: Farm) -> list[str]:
    """Give what a first deploy asks of a host, in order."""
    farm.deploy(1, first=HOSTS)
    found = farm.hosts[HOSTS].file("/root/commands").text.split("\0")[:-1]
    assert [one for one in found if "sftp-server" in one], found
    return found


def median_of(rounds: int, jobs: dict[str, Callable[[], float]], between: Callable[[], None]) -> dict[str, float]:
    """Run the jobs in turn, ``rounds`` times, and return their medians."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            taken[name].append(job())
        between()
    return {name: statistics.median(values) for name, values in taken.items()}


def test_a_first_install_beside_bare_ssh_and_an_unchanged_run(farm: Farm, commands: list[str], rounds: int) -> None:
    """Print the ratio for many hosts, and how time and memory grow from few to many."""
    largest: dict[str, list[float]] = {}

    def deployed(name: str, count: int) -> float:
        seconds, size = farm.deploy(count, f"--waves={count}")
        largest.setdefault(name, []).append(size)
        return seconds

    def bare(count: int) -> float:
        farm.reset(count)
        seconds = farm.bare(count, commands)
        farm.reset(count)
        return seconds

    medians = {
        count: median_of(
            rounds,
            {
                "install": lambda count=count: deployed(f"install {count}", count),  # type: ignore[misc]
                "unchanged": lambda count=count: deployed(f"unchanged {count}", count),  # type: ignore[misc]
                "bare": lambda count=count: bare(count),  # type: ignore[misc]
            },
            lambda: None,
        )
        for count in (FEW, HOSTS)
    }
    for count, taken in medians.items():
        what = (
            f"first install of {count} hosts: {taken['install']:.1f} s / bare ssh, {len(commands)} commands: "
            f"{taken['bare']:.1f} s; unchanged: {taken['unchanged']:.1f} s"
        )
        tell(what, f"{taken['install'] / taken['bare']:.2f}", f"<= {GOAL_INSTALL:.2f}")
    few, many = (medians[count]["install"] / count for count in (FEW, HOSTS))
    tell(f"seconds a host: {many:.2f} of {HOSTS} / {few:.2f} of {FEW}", f"{many / few:.2f}", f"<= {GOAL_FLAT:.2f}")
    small, large = (statistics.median(largest[f"install {count}"]) for count in (FEW, HOSTS))
    what = f"largest process: {large:.0f} MiB with {HOSTS} hosts / {small:.0f} MiB with {FEW}"
    tell(what, f"{large / small:.2f}", f"<= {GOAL_FLAT:.2f}")
