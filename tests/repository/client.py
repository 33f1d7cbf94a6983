"""Hosts that install from a repository: a plain web server on their own loopback, real apt or dnf, no way out."""

from __future__ import annotations

import html
import io
import itertools
import re
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.models.containers import Container

from consul_docker_host.core.run import Result
from consul_docker_host.prove.distributions import Distribution, Family
from tests.support.containers.host import Host
from tests.support.containers.images import (
    DEPENDENCIES,
    DOWNLOAD,
    PREPARE,
    SYSTEM,
    TOOLS,
    Recipe,
    base_image,
    derived_image,
    prepare,
)
from tests.support.packages import INSTALL_SECONDS, NAME
from tests.support.rpm.system import rpm_image

FOLDER = "/srv/site"
PUBLICATIONS = itertools.count()
SERVER = f"systemd-run --quiet --unit=site python3 -m http.server 8080 --bind 127.0.0.1 --directory {FOLDER}"
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
# Our dependencies are there, and no other archive than ours is: what apt says is of ours alone.
DEB_CHANGES = (
    f"apt-get install --yes --no-install-recommends {' '.join(DEPENDENCIES)}",
    "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*",
)
# useradd is the image's own; every rpm distribution has it from a package of this name.
SHADOW_UTILS = r"""
printf '%s\n' 'Name: shadow-utils' 'Version: 1' 'Release: 1' 'Summary: Stand-in for useradd' 'License: Apache-2.0' \
    'BuildArch: noarch' '%description' 'Stand-in of the test suite.' '%files' >/tmp/shadow-utils.spec
rpmbuild -bb --quiet --define '_rpmdir /tmp/rpms' /tmp/shadow-utils.spec
rpm -i --force-debian /tmp/rpms/*.rpm
"""
RPM_CHANGES = ("dnf --assumeyes install dnsmasq nftables python3", SHADOW_UTILS)


def client_recipe(distribution: Distribution) -> Recipe:
    """Return the recipe of a host that upgrades itself."""
    return Recipe(
        name=f"{distribution.name}-client",
        suite=distribution.suite,
        include=(*SYSTEM, *TOOLS, "python3", "unattended-upgrades"),
        hooks=(*PREPARE, *DOWNLOAD),
    )


def client_image(client: docker.DockerClient, distribution: Distribution) -> str:
    """Return the image of a host that has what the package depends on."""
    changes = DEB_CHANGES if distribution.family is Family.DEB else RPM_CHANGES
    if distribution.family is Family.DEB:
        base = base_image(client, client_recipe(distribution))
    else:
        base = rpm_image(client, distribution)

    def change(container: Container) -> None:
        for line in changes:
            prepare(container, f"export DEBIAN_FRONTEND=noninteractive; {line}")

    return derived_image(client, base, "client", key=changes, change=change)


@dataclass(frozen=True, slots=True)
class Client:
    """A host and the repository that it is served."""

    host: Host

    @property
    def name(self) -> str:
        """The host's name."""
        return self.host.name

    def report(self) -> str:
        """Return what one wants to see when a test on this host failed."""
        return self.host.report()

    def serve(self, tree: Path) -> None:
        """Serve this tree from now on."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(tree, arcname="site", filter=rooted)
        self.host.run(f"rm -rf {FOLDER}")
        self.host.container.put_archive("/srv", archive.getvalue())
        # A publication is younger than the one before it; a copy of one made earlier would be "not modified".
        self.host.run(f"find {FOLDER} -type f -exec touch -d @{int(time.time()) + 2 * next(PUBLICATIONS)} {{}} +")
        if not self.host.service("site.service").is_active:
            self.host.run(SERVER)
        self.host.wait_until("curl --silent --fail --output /dev/null http://127.0.0.1:8080/", 20)

    def apt(self, *arguments: str, check: bool = True) -> Result:
        """Run apt-get without a terminal and without options that answer questions."""
        command = ["apt-get", "--yes", *arguments]
        return self.host.run(command, seconds=INSTALL_SECONDS, environment=QUIET, check=check)

    def dnf(self, *arguments: str, check: bool = True) -> Result:
        """Run dnf without questions."""
        return self.host.run(["dnf", "--assumeyes", *arguments], seconds=INSTALL_SECONDS, check=check)

    def version(self, name: str = NAME) -> str:
        """Return the installed version of a deb; empty where it is not there or not whole."""
        asked = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Version}", name]
        said = self.host.run(asked, check=False).stdout
        return said.removeprefix("ii ") if said.startswith("ii ") else ""

    def rpm_version(self, name: str = NAME) -> str:
        """Return the installed version of an rpm; empty where it is not there."""
        asked = ["rpm", "--query", "--queryformat", "%{VERSION}", name]
        said = self.host.run(asked, check=False)
        return said.stdout if said.returncode == 0 else ""


def rooted(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Let everything belong to root on the host."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def command_of(page: Path, name: str) -> str:
    """Return a command as the page has it for its reader."""
    found = re.search(rf'<pre id="{name}"><code>(.*?)</code></pre>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"the page has no command {name}"
    return html.unescape(found[1]).strip()
