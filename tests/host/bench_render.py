"""The time that Consul's rendering adds to each of its starts, beside the former one in shell, in one run.

Both are the scripts of a rendered tree, taken in turn, on a host whose rendering
changes nothing, as at most starts. The former tree is that of the last commit with the shell version, from the
checkout's own history.
"""

from __future__ import annotations

import base64
import io
import statistics
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from consul_docker_host.package.description import collect_payload, load_package
from consul_docker_host.package.render import render_files
from consul_docker_host.settings.load import load_settings
from tests.host.conftest import REPOSITORY, Host
from tests.support.figures import tell

FORMER = "7ecead3"
GOAL = 1.5
DESCRIPTION = "packaging/packages/consul-docker-host.toml"
KEY = base64.b64encode(bytes(range(32))).decode()
FILES = {"gossip": KEY, "agent": "agent-token", "dns": "dns-token", "services.token": "services-token"}
SECRETS = (
    "RETRY_JOIN='10.0.0.1 10.0.0.2'\nACL=deny\nGOSSIP_KEY_FILE=/etc/gossip\nAGENT_TOKEN_FILE=/etc/agent\n"
    "DNS_TOKEN_FILE=/etc/dns\nSERVICES_TOKEN_FILE=/etc/services.token\n"
    "CA_FILE=/etc/tls.cert\nCERT_FILE=/etc/tls.cert\nKEY_FILE=/etc/tls.key\n"
)
HOSTS = {"a client": "RETRY_JOIN=10.0.0.1\n", "a client with secrets and certificates": SECRETS}


@pytest.fixture
def former(tmp_path: Path) -> Host:
    """Give the host as it was."""
    argv = ["git", "-C", str(REPOSITORY), "archive", FORMER, "files", DESCRIPTION]
    archive = subprocess.run(argv, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        members.extractall(tmp_path / "checkout", filter="data")
    files = tmp_path / "checkout/files"
    package = load_package(tmp_path / "checkout" / DESCRIPTION)
    settings = load_settings(REPOSITORY / "packaging/settings.toml")
    root = tmp_path / "former"
    for rendered in render_files(settings, collect_payload(package, files), files, epoch=0):
        path = root / rendered.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rendered.content)
        path.chmod(rendered.mode)
    (tmp_path / "no-fakes").mkdir()
    return Host(root=root, fakes=tmp_path / "no-fakes")


def configure(host: Host, text: str) -> None:
    """Write the settings, and the files that they name; render once."""
    for name, content in FILES.items():
        host.write(f"etc/{name}", f"{content}\n").chmod(0o640)
    tls = host.root / "etc/tls"
    argv = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x"]
    subprocess.run([*argv, "-keyout", f"{tls}.key", "-out", f"{tls}.cert"], check=True, capture_output=True)
    host.configure(text)
    host.script("render", "consul")


def timed(host: Host) -> float:
    """Return the seconds of one rendering; it changes nothing."""
    begin = time.perf_counter()
    done = host.script("render", "consul")
    taken = time.perf_counter() - begin
    assert done.stdout == ""
    return taken


@pytest.mark.parametrize("name", HOSTS)
def test_the_time_of_a_rendering(former: Host, host: Host, rounds: int, name: str) -> None:
    for each in (former, host):
        configure(each, HOSTS[name])
    taken: dict[str, list[float]] = {"former": [], "today": []}
    for _ in range(rounds):
        taken["former"].append(timed(former))
        taken["today"].append(timed(host))
    before, after = (statistics.median(runs) for runs in taken.values())
    text = f"rendering of {name}: {after * 1000:.0f} ms / {before * 1000:.0f} ms in shell (medians of {rounds})"
    tell(text, f"{after / before:.2f}", f"<= {GOAL:.2f}")
