"""The time that Consul's rendering adds to each of its starts, beside the former one in shell, in one run.

Both are the scripts of a rendered tree, taken in turn, on a host whose rendering
changes nothing, as at most starts. The former tree is that of the last commit with the shell version, from the
checkout's own history.
"""

from __future__ import annotations

import base64
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from tests.host.conftest import FakeHost
from tests.host.former import SHELL, render_former
from tests.support.figures import tell

GOAL = 1.5
KEY = base64.b64encode(bytes(range(32))).decode()
FILES = {"gossip": KEY, "agent": "agent-token", "dns": "dns-token", "services.token": "services-token"}
SECRETS = (
    "RETRY_JOIN='10.0.0.1 10.0.0.2'\nACL=deny\nGOSSIP_KEY_FILE=/etc/gossip\nAGENT_TOKEN_FILE=/etc/agent\n"
    "DNS_TOKEN_FILE=/etc/dns\nSERVICES_TOKEN_FILE=/etc/services.token\n"
    "CA_FILE=/etc/tls.cert\nCERT_FILE=/etc/tls.cert\nKEY_FILE=/etc/tls.key\n"
)
HOSTS = {"a client": "RETRY_JOIN=10.0.0.1\n", "a client with secrets and certificates": SECRETS}


@pytest.fixture
def former(tmp_path: Path) -> FakeHost:
    """Give the host as it was."""
    root = tmp_path / "former"
    shutil.copytree(render_former(SHELL, tmp_path / "checkout"), root, symlinks=True)
    (tmp_path / "no-fakes").mkdir()
    return FakeHost(root=root, fakes=tmp_path / "no-fakes")


def configure(host: FakeHost, text: str) -> None:
    """Write the settings, and the files that they name; render once."""
    for name, content in FILES.items():
        host.write(f"etc/{name}", f"{content}\n").chmod(0o640)
    tls = host.root / "etc/tls"
    argv = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x"]
    subprocess.run([*argv, "-keyout", f"{tls}.key", "-out", f"{tls}.cert"], check=True, capture_output=True)
    host.configure(text)
    host.script("render", "consul")


def timed(host: FakeHost) -> float:
    """Return the seconds of one rendering; it changes nothing."""
    begin = time.perf_counter()
    done = host.script("render", "consul")
    taken = time.perf_counter() - begin
    assert done.stdout == ""
    return taken


@pytest.mark.parametrize("name", HOSTS)
def test_the_time_of_a_rendering(former: FakeHost, host: FakeHost, rounds: int, name: str) -> None:
    for each in (former, host):
        configure(each, HOSTS[name])
    taken: dict[str, list[float]] = {"former": [], "today": []}
    for _ in range(rounds):
        taken["former"].append(timed(former))
        taken["today"].append(timed(host))
    before, after = (statistics.median(runs) for runs in taken.values())
    text = f"rendering of {name}: {after * 1000:.0f} ms / {before * 1000:.0f} ms in shell (medians of {rounds})"
    tell(text, f"{after / before:.2f}", f"<= {GOAL:.2f}")
