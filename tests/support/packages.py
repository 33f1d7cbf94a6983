"""How a package is installed, removed and set up on a host, as its administrator would: without a terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import createrepo_c

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.distributions import Family
from tests.support.containers.host import Host
from tests.support.containers.images import put_file

NAME = "consul-docker-host"
ADDRESS = "169.254.1.1"
INSTALL_SECONDS = 180.0
READY_SECONDS = 60.0
DIG = "dig +short +time=2 +tries=2"
SERVER_SETTINGS = "ROLE=server\nBOOTSTRAP_EXPECT=1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """The package under test and the commands of its family."""

    package: Path
    family: Family

    @property
    def target(self) -> str:
        """Where the package lies on the host; readable for apt's own user, who would warn otherwise."""
        return f"/var/tmp/{self.package.name}"

    def bring(self, host: Host) -> None:
        """Copy the package to the host, where it is not there yet."""
        if not host.file(self.target).exists:
            put_file(host.container, self.target, self.package)

    def install(self, host: Host) -> Result:
        """Install the package with what it depends on."""
        self.bring(host)
        return self._manage("install", [self.target], host)

    def install_dependencies(self, host: Host) -> Result:
        """Install what the package depends on, but not the package."""
        return self._manage("install", self.dependencies(host), host)

    def dependencies(self, host: Host) -> list[str]:
        """Return the first alternative of each dependency that the host's repositories have."""
        if self.family is Family.RPM:
            return [first_provided(host, alternatives.split(" or ")) for alternatives in self.requirements()]
        return [alternatives.split("|")[0].strip() for alternatives in self.requirements()]

    def requirements(self) -> list[str]:
        """Return the package's dependencies without versions, with their alternatives."""
        if self.family is Family.RPM:
            names = {name for name, *_ in createrepo_c.package_from_rpm(str(self.package)).requires}
            return sorted(name.strip("()") for name in names if not name.startswith("/"))
        text = run(["dpkg-deb", "--field", str(self.package), "Depends"]).stdout
        return [re.sub(r"\s*\([^)]*\)", "", part).strip() for part in text.split(",") if part.strip()]

    def remove(self, host: Host) -> Result:
        """Remove the package; its configuration files stay, of an rpm those that were edited."""
        return self._manage("remove", [NAME], host)

    def purge(self, host: Host) -> Result:
        """Remove the package and its configuration files; an rpm has no such step."""
        return self._manage("purge", [NAME], host)

    def become_server(self, host: Host) -> None:
        """Make the host a cluster of one, as the file's own comments tell, and wait until it answers."""
        path = f"/etc/default/{NAME}"
        host.put(path, host.file(path).text + SERVER_SETTINGS)
        host.run([NAME, "apply"])
        wait_for_consul(host)

    def _manage(self, verb: str, names: list[str], host: Host) -> Result:
        if self.family is Family.RPM:
            # What a removal no longer needs stays, as with apt-get.
            command = ["dnf", "--assumeyes", "--setopt=clean_requirements_on_remove=False", verb, *names]
            return host.run(command, seconds=INSTALL_SECONDS)
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        return host.run(["apt-get", "--yes", verb, *names], seconds=INSTALL_SECONDS, environment=environment)


def built_package(family: Family) -> Path:
    """Return the newest package of a family that `inv build` left."""
    pattern = f"{NAME}_*_all.deb" if family is Family.DEB else f"{NAME}-[0-9]*.noarch.rpm"
    found = sorted((ROOT / "dist").glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise BuildError(f"dist/ contains no {pattern}", hint="./inv build")
    return found[-1]


def first_provided(host: Host, alternatives: list[str]) -> str:
    """Return the first of some names that a package is known by here."""
    known = (name for name in alternatives if host.output(["dnf", "--quiet", "repoquery", "--whatprovides", name]))
    return alternatives[0] if len(alternatives) == 1 else next(known)


def wait_for_consul(host: Host) -> None:
    """Wait until Consul on a cluster of one answers for itself: its API, its own DNS, and dnsmasq before it.

    Consul's DNS is asked past dnsmasq, which may still know an answer of a Consul that has gone since. A restart
    that is under way comes first: a Consul that is told to stop answers until it has left its cluster.
    """
    pending = "systemctl list-jobs --no-legend --plain | grep -q consul.service"
    host.wait_until(f"! {pending}", READY_SECONDS, what="no start or stop of Consul is pending")
    leader = f"curl --silent --fail --max-time 2 http://{ADDRESS}:8500/v1/status/leader | grep -q :"
    host.wait_until(leader, READY_SECONDS, what="the cluster of one has a leader")
    for port in (8600, 53):
        question = f"{DIG} consul.service.consul @{ADDRESS} -p {port} | grep -qFx {host.address()}"
        host.wait_until(question, READY_SECONDS, what=f"port {port} answers for Consul")
