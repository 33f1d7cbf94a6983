"""What the stories of both families share: a file that must come through whole, and what a removal must leave."""

from __future__ import annotations

from tests.support.host import Host
from tests.support.packages import ADDRESS, NAME

# What an administrator may have in /etc/environment: quotes, comments, no newline at the end.
ENVIRONMENT = b'# by hand\nFOO="bar baz"\n\nexport ODD=1\nLAST=without a newline'
# Where nobody enabled them, these end with our target.
STARTED = ("/usr/sbin/dnsmasq", "/usr/bin/consul")


def assert_nothing_runs(host: Host, *, programs: tuple[str, ...] = ()) -> None:
    """Fail where something of the package is left at work, or one of the other ``programs``."""
    ours = " ".join(f"-e {path}" for path in (f"/usr/lib/{NAME}/", f"/usr/bin/{NAME}", *programs))
    assert host.run(f"ps -eo args= | grep -F {ours} | grep -v grep", check=False).stdout == ""
    assert host.output(f"systemctl list-units --no-legend --plain '{NAME}*' 'registrator*'") == ""
    assert ADDRESS not in host.output("ip -4 -o address")
    assert host.run("ip link show dev dummy0", check=False).returncode != 0
    assert ADDRESS not in host.output("nft list ruleset")
    assert host.failed_units() == ""
