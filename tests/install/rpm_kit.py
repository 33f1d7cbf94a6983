"""What the stories of rpm systems share: rpm and dnf as an administrator calls them."""

from __future__ import annotations

from dataclasses import dataclass

from consul_docker_host.core.run import Result
from tests.support.containers.host import Host
from tests.support.packages import ADDRESS, INSTALL_SECONDS, NAME

SETTLED = f"""
for unit in {NAME}.target {NAME}-watch.service dnsmasq.service; do systemctl --quiet is-active $unit || exit 1; done
ip -4 -o address show dev dummy0 | grep -q ' {ADDRESS}/' &&
[ -z "$(systemctl list-jobs --no-legend)" ]
"""


@dataclass(frozen=True, slots=True)
class Rpm:
    """rpm and dnf on a host."""

    host: Host

    def run(self, *arguments: str) -> Result:
        """Run rpm; Debian's own would advise against itself."""
        return self.host.run(["rpm", "--force-debian", *arguments], seconds=INSTALL_SECONDS)

    def dnf(self, *arguments: str) -> Result:
        """Run dnf without questions."""
        return self.host.run(["dnf", "--assumeyes", *arguments], seconds=INSTALL_SECONDS)

    def verify(self) -> str:
        """Return what `rpm -V` has to say of the package; empty is the good answer."""
        return self.host.run(["rpm", "--verify", NAME], check=False).output.strip()

    def versions(self) -> list[str]:
        """Return the versions of the package that rpm knows; more than one is a fault."""
        asked = ["rpm", "--query", "--queryformat", "%{VERSION}\\n", NAME]
        return [line for line in self.host.run(asked, check=False).stdout.split("\n") if line[:1].isdigit()]

    def main_process(self, unit: str) -> str:
        """Return the unit's process, 0 where it has none."""
        said = self.host.output(["systemctl", "show", "--property=MainPID", "--property=ActiveState", unit])
        values = dict(line.split("=", 1) for line in said.splitlines())
        assert {"MainPID", "ActiveState"} <= values.keys(), f"{unit}: {said!r}"
        return values["MainPID"] if values["ActiveState"] == "active" else "0"


def is_settled(host: Host) -> bool:
    """Say whether all that an install starts is up and nothing is under way."""
    return host.run(SETTLED, check=False).returncode == 0
