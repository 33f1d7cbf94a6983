"""The tree put over this machine's own files in a mount namespace: what a script does without a prefix of its paths."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.host.conftest import FakeHost
from tests.support.speed import scaled

# Overlays end with the namespace. The network is one of its own as well: links and tables are made there.
SCRIPT = """
set -eu
mount -t tmpfs upper "$1/upper"
mkdir "$1/upper/etc" "$1/upper/work"
mount -t overlay etc -o "lowerdir=$1/root/etc:/etc,upperdir=$1/upper/etc,workdir=$1/upper/work" /etc
mount -t overlay usr -o "lowerdir=$1/root/usr:/usr" /usr
mount -t tmpfs run /run
mkdir -p /run/systemd/system
ip link set lo up
shift
exec "$@"
"""


def run_in_place(host: FakeHost, script: str, *, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run shell text as root on a machine that has the tree installed, with the fakes first on PATH."""
    folder = host.root.parent
    (folder / "upper").mkdir(exist_ok=True)
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", SCRIPT, "sh", str(folder), "sh", "-c", script],
        env={"PATH": f"{host.fakes}:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=scaled(60),
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def calls_of(record: Path, word: str) -> list[str]:
    """Return the calls of a fake program that hold the word."""
    text = record.read_text(encoding="utf-8") if record.exists() else ""
    return [line for line in text.splitlines() if word in line.split()]
