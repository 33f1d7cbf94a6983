"""Provide a real Consul for the parsers and the tests: HashiCorp's release if it can be downloaded, else from source.

Consul's licence (BUSL) forbids publishing it, so it never leaves the machine.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
import zipfile
from pathlib import Path

from consul_docker_host.core import run
from consul_docker_host.core.architectures import ARCHITECTURES, own_architecture
from consul_docker_host.core.download import check_digest, fetch
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.workspace import ROOT, cache_path, content_key, replacing
from consul_docker_host.prove.golang import build_program

VERSION = "1.22.7"
SOURCE = ROOT / "tests" / "support" / "programs" / "consul-source"  # go.mod and go.sum, and the package's files
RELEASES = "https://releases.hashicorp.com/consul"
CONNECT_SECONDS = 5.0
DOWNLOAD_SECONDS = 300.0


def architecture() -> str:
    """Return Debian's and Go's name of the machine's architecture."""
    if not own_architecture():
        reason = f"{platform.machine()}: no Consul for this architecture"
        raise BuildError(reason, hint="supported: " + ", ".join(ARCHITECTURES))
    return own_architecture()


def consul_folder(version: str = VERSION) -> Path:
    """Return the folder in the user's cache that has this version; it may not be there yet."""
    pins = [(SOURCE / name).read_bytes() for name in ("go.mod", "go.sum")]
    return cache_path("consul", content_key([version, architecture(), *pins])[:12])


def consul_binary(version: str = VERSION) -> Path:
    """Return the path of the Consul program, from the cache after the first call."""
    binary = consul_folder(version) / "consul"
    with Lock(binary.parent / "lock"):
        if not binary.exists():
            with replacing(binary, mode=0o755) as beside:
                if not fetch_release(version, beside):
                    build_from_source(version, beside)
                check_version(beside, version)
    return binary


def fetch_release(version: str, target: Path) -> bool:
    """Download the official program to ``target``; return False if the site does not answer in time."""
    name = f"consul_{version}_linux_{architecture()}.zip"
    with tempfile.TemporaryDirectory(prefix="consul-") as folder:
        sums, archive = Path(folder, "SHA256SUMS"), Path(folder, name)
        try:
            for file, path in ((f"consul_{version}_SHA256SUMS", sums), (name, archive)):
                fetch(f"{RELEASES}/{version}/{file}", path, connect=CONNECT_SECONDS, seconds=DOWNLOAD_SECONDS)
        except OSError:  # no route, no such name, refused, too slow
            return False
        check_digest(archive, name=name, sums=sums, source=f"{RELEASES}/{version}/{name}", hint="try again later")
        with zipfile.ZipFile(archive) as opened, opened.open("consul") as program, target.open("wb") as output:
            shutil.copyfileobj(program, output)
    return True


def build_from_source(version: str, target: Path) -> None:
    """Build the version that go.mod pins."""
    if f"github.com/hashicorp/consul v{version} " not in (SOURCE / "go.mod").read_text(encoding="utf-8"):
        raise BuildError(f"{SOURCE}/go.mod does not pin Consul {version}", hint="go get -tool, then go mod tidy")
    build_program(SOURCE, "github.com/hashicorp/consul", target)


def check_version(program: Path, version: str) -> None:
    """Run the program once, so that a partial download or a build for another machine is not cached."""
    program.chmod(0o755)
    output = run.run([str(program), "version"], timeout=60).stdout
    if not output.startswith(f"Consul v{version}"):
        raise BuildError(f"{program}: is not Consul {version}: {output.strip()[:60]}")
