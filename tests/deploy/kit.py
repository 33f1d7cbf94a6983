"""A fleet for the stories: hosts with sshd, an inventory for them, and `inv deploy` as a user types it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.distributions import Family, read_distributions
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import base_image, system_recipe
from tests.support.containers.settled import ready_image
from tests.support.inventory import new_key, write_inventory
from tests.support.packages import Installer, built_package
from tests.support.programs.consul import consul_image
from tests.support.rpm.system import rpm_image

SSHD = ("openssh-server", "sudo")
USER = "ops"  # has no rights of its own, and may use sudo
DEPLOY_SECONDS = 400.0
# No two hosts have one key, as they would by their image.
HOST_KEY = """
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
systemctl reset-failed ssh
systemctl restart ssh
"""


def ssh_image(bed: Bed, name: str, *more: str) -> str:
    """Return the image of a distribution's host with Consul, sshd and ``more``."""
    distribution = next(one for one in read_distributions() if one.name == name)
    if distribution.family is Family.RPM:
        return consul_image(bed.client, rpm_image(bed.client, distribution, *SSHD, *more), distribution)
    return consul_image(bed.client, base_image(bed.client, system_recipe(distribution, *SSHD, *more)), distribution)


def ready_ssh_image(bed: Bed, name: str) -> str:
    """Return such an image on which all that the package depends on is installed."""
    family = next(distribution.family for distribution in read_distributions() if distribution.name == name)
    installer = Installer(package=built_package(family), family=family)
    return ready_image(bed, ssh_image(bed, name), f"{name}-ssh", installer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Hosts and the folder with their inventory, keys and secrets; those with server in their name are servers."""

    hosts: tuple[Host, ...]
    folder: Path
    addresses: Mapping[str, str]  # taken at the start: a host that was killed cannot be asked

    @property
    def servers(self) -> tuple[Host, ...]:
        """The hosts that form the cluster."""
        return tuple(host for host in self.hosts if "server" in host.name)

    @property
    def server(self) -> Host:
        """The first of them."""
        return self.servers[0]

    @property
    def clients(self) -> tuple[Host, ...]:
        """All others."""
        return tuple(host for host in self.hosts if host not in self.servers)

    def write(self, shared: Mapping[str, Any] | None = None, **own: Mapping[str, Any]) -> Path:
        """Write the inventory: ``shared`` data for all, and further data by host's name (- is _)."""

        def data(hosts: tuple[Host, ...]) -> dict[str, dict[str, Any]]:
            return {
                host.name: {"ssh_hostname": self.addresses[host.name], **own.get(host.name.replace("-", "_"), {})}
                for host in hosts
            }

        join = {"cdh_join": [self.addresses[host.name] for host in self.servers], "cdh_patience": 60}
        return write_inventory(
            self.folder,
            servers=data(self.servers),
            clients=data(self.clients),
            shared={**join, **(shared or {})},
            packages=ROOT / "dist",
        )

    def inv(self, *words: str, check: bool = False, environment: Mapping[str, str] | None = None) -> Result:
        """Run a task on the inventory and return what it printed."""
        argv = [sys.executable, "-m", "invoke", *words, f"--inventory={self.folder / 'fleet.py'}"]
        return run(argv, cwd=ROOT, timeout=DEPLOY_SECONDS, check=check, env=environment)

    def report(self, *words: str) -> dict[str, Any]:
        """Run a task with --json and return its report."""
        result = self.inv(*words, "--json")
        try:
            report: dict[str, Any] = json.loads(result.stdout)
        except ValueError:
            raise AssertionError(result.output) from None
        assert report["ok"] is (result.returncode == 0), result.output
        return report


def of(report: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Return a host's part of a report."""
    return next(one for one in report["hosts"] if one["host"] == host.name)


def trouble(report: Mapping[str, Any]) -> str:
    """Return what a failed assertion is to show of a report."""
    return "\n".join(
        [report["stopped"], *(f"{one['host']} {one['state']}: {one['reason']}" for one in report["hosts"])]
    )


def pids(host: Host) -> dict[str, str]:
    """Return the main process of each program that a setting may restart."""
    return {name: host.output(f"systemctl show --property=MainPID --value {name}") for name in ("consul", "dnsmasq")}


@contextlib.contextmanager
def fleet_of(bed: Bed, folder: Path, *images: tuple[str, str]) -> Iterator[Fleet]:
    """Give a fleet of booted hosts by name and image; one key opens all of them."""
    key = new_key(folder)
    with contextlib.ExitStack() as stack:
        # A boot is mostly waiting: those of a fleet go side by side.
        with ThreadPoolExecutor(max_workers=len(images)) as pool:
            booting = [pool.submit(stack.enter_context, bed.host(image, name=name)) for name, image in images]
        hosts = [future.result() for future in booting]
        for host in hosts:
            host.run(HOST_KEY)
            host.run(f"mkdir -p -m 0700 /root/.ssh && useradd --create-home --shell /bin/sh {USER}")
            host.put("/root/.ssh/authorized_keys", key, mode=0o600)
            host.run(f"cp -r /root/.ssh /home/{USER}/ && chown -R {USER}: /home/{USER}/.ssh")
            host.put(f"/etc/sudoers.d/{USER}", f"{USER} ALL=(ALL) NOPASSWD: ALL\n", mode=0o440)
            host.wait_until("systemctl is-active ssh", 20)
        yield Fleet(hosts=tuple(hosts), folder=folder, addresses={host.name: host.address() for host in hosts})
