"""Images of hosts that were set up once: a story's host boots from one instead of being installed again.

Each is made of a host of the bed: set up by the steps that a story would take, shut down and committed. It is kept by
the content of all that went into it: the image below it, package, settings, and the modules that take the steps.

What such an image hides from a story, and what is done about it:

- identity: machine ID, SSH host keys and Consul's data, with its node ID and the address of its peers, are removed, so
  that each host makes its own (`tests/install/test_bed.py` shows it)
- the journal of the former life is removed; systemd's caches of a first boot are there
- name, addresses and resolv.conf are those of the new host, as the bed writes them at each boot; so the package adds
  its line to resolv.conf at the boot, not at its installation
- a boot is not an installation: stories about what an installation does or prints install for themselves
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from consul_docker_host.core.locks import Lock
from consul_docker_host.core.workspace import content_key
from tests.support import packages
from tests.support.containers import bed as bed_module
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import REPOSITORY, commit, has_image, lock_of, prune
from tests.support.packages import SERVER_SETTINGS, Installer
from tests.support.speed import scaled

# Nobody has this address: what an image is made of answers without the site's name server.
RESOLV_CONF = "# written by hand\nnameserver 192.0.2.53\n"
SHUTDOWN_SECONDS = 60
# What a host must not share with another one. journald writes on into files that are gone.
FORGET = """
systemctl stop consul.service 2>/dev/null
rm -rf /opt/consul/* /var/log/journal/* /var/lib/systemd/random-seed /etc/ssh/ssh_host_*
: >/etc/machine-id
"""


def committed_image(
    bed: Bed, base: str, name: str, *, key: Iterable[bytes | str], change: Callable[[Host], object]
) -> str:
    """Return the name of an image made of a booted host by ``change``, kept by ``key`` and the base."""
    shaping = [Path(str(module.__file__)).read_bytes() for module in (packages, bed_module)]
    tag = f"{REPOSITORY}:{name}-{content_key([base, *key, Path(__file__).read_bytes(), *shaping])[:12]}"
    with Lock(lock_of(tag)):
        if not has_image(bed.client, tag):
            with bed.host(base, name="image", resolv_conf=RESOLV_CONF) as host:
                change(host)
                assert host.failed_units() == ""
                host.run(FORGET)
                host.run("systemctl poweroff", check=False)
                host.container.wait(timeout=scaled(SHUTDOWN_SECONDS))
                commit(host.container, tag)
            prune(bed.client, tag)
    return tag


def ready_image(bed: Bed, base: str, name: str, installer: Installer) -> str:
    """Return the image of a host on which all that the package depends on is installed, but not the package."""
    return committed_image(
        bed, base, f"{name}-ready", key=installer.requirements(), change=installer.install_dependencies
    )


def settled_image(bed: Bed, ready: str, name: str, installer: Installer) -> str:
    """Return the image of a cluster of one with the package, which has answered."""

    def settle(host: Host) -> None:
        installer.install(host)
        installer.become_server(host)

    key: list[bytes | str] = [installer.package.name, installer.package.read_bytes(), SERVER_SETTINGS]
    return committed_image(bed, ready, f"{name}-settled", key=key, change=settle)
