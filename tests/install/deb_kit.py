"""What the stories of Debian's family share: dpkg and apt as an administrator calls them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.run import Result
from tests.support.containers.host import Host
from tests.support.containers.images import put_file
from tests.support.packages import INSTALL_SECONDS, NAME

QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


@dataclass(frozen=True, slots=True)
class Deb:
    """dpkg and apt on a host."""

    host: Host

    def apt(self, *arguments: str, check: bool = True) -> Result:
        """Run apt-get without a terminal and without options that answer questions."""
        command = ["apt-get", "--yes", *arguments]
        return self.host.run(command, seconds=INSTALL_SECONDS, environment=QUIET, check=check)

    def dpkg(self, *arguments: str, check: bool = True) -> Result:
        """Run dpkg."""
        return self.host.run(["dpkg", *arguments], seconds=INSTALL_SECONDS, environment=QUIET, check=check)

    def put(self, package: Path, *, name: str = "") -> str:
        """Copy a package to the host and return its path there."""
        target = f"/var/tmp/{name or package.name}"
        put_file(self.host.container, target, package)
        return target

    def status(self) -> str:
        """Return dpkg's three letters for the package, e.g. "ii " for installed; empty if dpkg knows nothing of it."""
        asked = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}", NAME]
        return self.host.run(asked, check=False).stdout.strip()

    def version(self) -> str:
        """Return the installed version."""
        return self.host.output(["dpkg-query", "--show", "--showformat=${Version}", NAME])

    def verify(self) -> str:
        """Return what `dpkg --verify` has to say; empty is the good answer."""
        return self.host.run(["dpkg", "--verify", NAME], check=False).output.strip()

    def main_process(self, unit: str) -> str:
        """Return the unit's process, 0 where it has none."""
        return self.host.output(["systemctl", "show", "--property=MainPID", "--value", unit])
