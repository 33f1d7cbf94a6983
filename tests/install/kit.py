"""What the stories of both families share: a file that must come through whole, and what a removal must leave."""

from __future__ import annotations

import shlex

from tests.support.containers.host import Host
from tests.support.packages import ADDRESS, NAME

# What an administrator may have in /etc/environment: quotes, comments, no newline at the end.
ENVIRONMENT = b'# by hand\nFOO="bar baz"\n\nexport ODD=1\nLAST=without a newline'
# Puts a folder's content onto a file system of its own, where all that is there fits and nothing more.
FILL = """
cp -a {folder} /var/tmp/full
mount -t tmpfs -o size=$(du -sk {folder} | cut -f 1)k,nr_inodes=$(find {folder} | wc -l) none {folder}
cp -a /var/tmp/full/. {folder}/
"""
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


# What a start of Consul does that has our scripts in hand when they go: for a while it writes where the package writes.
WRITER = f"""
(
    count=0
    while [ -e /usr/lib/{NAME}/render ]; do sleep 0.01; done
    while [ $count -lt 30000 ]; do
        count=$((count + 1))
        [ -d /run/{NAME}/consul.d ] || mkdir -p /run/{NAME}/consul.d
        : >/run/{NAME}/consul.d/$count
    done
) >/dev/null 2>&1 &
"""


def assert_late_writers_leave_nothing(host: Host, remove: list[str]) -> None:
    """Remove the package while something still writes below /run, and fail where that hinders it or stays."""
    host.run(f"{WRITER} {shlex.join(remove)}; code=$?; wait; exit $code")
    assert not host.file(f"/run/{NAME}").exists
