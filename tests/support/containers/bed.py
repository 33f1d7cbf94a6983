"""The bed of the install tests: a network without a way out, and hosts in it that boot systemd in containers.

A privileged container is not asked for: many machines refuse it, and systemd needs only two capabilities. How the
cgroup tree must be given to it differs between machines, so it is tried out, not assumed.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.workspace import cache_folder, content_key
from tests.support.containers.engine import LABEL
from tests.support.containers.host import Host
from tests.support.containers.images import UNCONFINED, put_bytes
from tests.support.keep import kept_if_failed

BOOT_SECONDS = 60.0
NETWORK_PREFIX = "consul-docker-host-test"

# Docker mounts these three files; a package that replaces resolv.conf by a rename would meet "resource busy", which no
# real host answers. Unless its mounts are its own they come back for a moment whenever a file is copied into it. The
# names of the host itself are as Debian's installer writes them: 127.0.1.1.
BOOT = r"""
mount --make-rprivate /
umount /etc/resolv.conf /etc/hosts /etc/hostname
hostname > /etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$(hostname)" > /etc/hosts
rm -f /etc/resolv.conf
printf %s "$1" > /etc/resolv.conf
if [ -n "$2" ]; then mount -o remount,rw /sys/fs/cgroup; fi
export container=docker
exec /sbin/init
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupMode:
    """One way to give systemd its cgroup tree."""

    name: str
    namespace: str
    mount: str = ""  # how the machine's own tree is mounted; empty: the namespace's tree, made writable

    def options(self) -> dict[str, object]:
        """Return what the SDK takes."""
        volumes = [f"/sys/fs/cgroup:/sys/fs/cgroup:{self.mount}"] if self.mount else []
        return {"cgroupns": self.namespace, "volumes": volumes}


MODES = {
    1: (
        CgroupMode(name="v1-ro", namespace="host", mount="ro"),
        CgroupMode(name="v1-rw", namespace="host", mount="rw"),
    ),
    2: (
        CgroupMode(name="v2-private", namespace="private"),
        CgroupMode(name="v2-host", namespace="host", mount="rw"),
    ),
}


def candidates() -> tuple[CgroupMode, ...]:
    """Return the ways worth trying on this machine, the least intrusive first."""
    return MODES[2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1]


@dataclass(kw_only=True)
class Bed:
    """The network and the hosts of one test process."""

    client: docker.DockerClient
    network: Network
    _mode: CgroupMode | None = field(default=None, init=False)

    @contextlib.contextmanager
    def host(
        self,
        image: str,
        *,
        name: str,
        resolv_conf: str = "",
        files: Mapping[str, bytes] | None = None,
    ) -> Iterator[Host]:
        """Give a booted host, removed at the end of the block.

        ``resolv_conf`` is the whole text of the file, as an administrator would have written it; ``files`` are there
        before the host boots.
        """
        mode = self._mode or self.probe(image)
        container = self.create(image, name=name, mode=mode, resolv_conf=resolv_conf)
        try:
            for path, data in (files or {}).items():
                put_bytes(container, path, data)
            container.start()
            host = Host(container=container, name=name)
            if not is_booted(host):
                raise BuildError(f"{name}: systemd did not come up within {BOOT_SECONDS:g} s\n{host.report()}")
            with kept_if_failed(host):
                yield host
        finally:
            with contextlib.suppress(APIError):
                container.remove(force=True, v=True)

    def create(self, image: str, *, name: str, mode: CgroupMode, resolv_conf: str = "") -> Container:
        """Make the container of a host, without starting it.

        What its boot needs comes by arguments: an image that is made of the host would keep its environment.
        """
        return self.client.containers.create(
            image,
            ["sh", "-c", BOOT, "boot", resolv_conf, "" if mode.mount else "yes"],
            name=f"cdh-{name}-{uuid.uuid4().hex[:8]}",
            hostname=name,
            network=self.network.name,
            labels={LABEL: str(os.getpid())},
            cap_add=["SYS_ADMIN", "NET_ADMIN"],
            security_opt=list(UNCONFINED),
            tmpfs={"/run": "", "/run/lock": "", "/tmp": ""},
            stop_signal="SIGRTMIN+3",
            **mode.options(),  # type: ignore[arg-type]
        )

    def probe(self, image: str) -> CgroupMode:
        """Find out which way of giving the cgroup tree boots systemd here; remembered until the machine's next boot."""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        memory = cache_folder("bed") / content_key([boot, str(self.client.version().get("Version")), image])[:16]
        modes = candidates()
        known = memory.read_text(encoding="ascii") if memory.exists() else ""
        for mode in sorted(modes, key=lambda mode: mode.name != known):
            if mode.name == known or self.boots(image, mode):
                memory.write_text(mode.name, encoding="ascii")
                self._mode = mode
                return mode
        raise BuildError(
            f"systemd boots in no container here (tried {', '.join(mode.name for mode in modes)})",
            hint="the engine must allow --cap-add SYS_ADMIN and NET_ADMIN, and must not be rootless",
        )

    def boots(self, image: str, mode: CgroupMode) -> bool:
        """Say whether systemd comes up in this way."""
        container = self.create(image, name="probe", mode=mode)
        try:
            container.start()
            return is_booted(Host(container=container, name="probe"))
        except APIError:
            return False
        finally:
            with contextlib.suppress(APIError):
                container.remove(force=True, v=True)


def is_booted(host: Host) -> bool:
    """Wait until systemd has finished booting; say whether it did."""
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        host.container.reload()
        if host.container.status != "running":
            return False
        said = host.run("systemctl is-system-running", check=False).stdout.strip()
        if said in {"running", "degraded"}:
            return True
        time.sleep(0.1)
    return False


@contextlib.contextmanager
def test_network(client: docker.DockerClient) -> Iterator[Network]:
    """Give the network of this process.

    Its subnet is fixed by the process (10.213.N.0/24), because what Docker would choose by itself is 172.17.0.0/16,
    which the hosts inside need for a docker0 of their own.
    """
    with Lock(cache_folder("bed") / "network.lock"):
        taken = {network.name for network in client.networks.list()}
        number = next(number for number in range(1, 255) if f"{NETWORK_PREFIX}-{number}" not in taken)
        pool = IPAMPool(subnet=f"10.213.{number}.0/24", gateway=f"10.213.{number}.1")
        network = client.networks.create(
            f"{NETWORK_PREFIX}-{number}",
            driver="bridge",
            # No address translation: nothing leads out, whatever the machine forwards.
            options={
                "com.docker.network.bridge.name": f"cdh-test{number}",
                "com.docker.network.bridge.enable_ip_masquerade": "false",
            },
            ipam=IPAMConfig(pool_configs=[pool]),
            labels={LABEL: str(os.getpid())},
        )
    try:
        yield network
    finally:
        with contextlib.suppress(NotFound):
            network.remove()
