"""A real Consul for the tests: HashiCorp's release where it can be had, else built from source; and its package.

The package is a test-only stand-in with HashiCorp's layout, user and unit around the real binary. Consul's licence
(BUSL) forbids publishing it: it never leaves the machine.
"""

from __future__ import annotations

import hashlib
import io
import platform
import shutil
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path

import docker
from docker.models.containers import Container

from consul_docker_host import run
from consul_docker_host.errors import BuildError
from consul_docker_host.machines import ARCHITECTURES, own_architecture
from consul_docker_host.workspace import cache_folder, content_key, replacing
from tests.support.distributions import Distribution, Family
from tests.support.golang import build_program
from tests.support.images import derived_image, prepare, put_file
from tests.support.locks import FileLock
from tests.support.rpm_system import CONSUL_REPOSITORY, consul_repository_image

VERSION = "1.22.7"
SOURCE = Path(__file__).resolve().parent / "consul-source"  # go.mod and go.sum, and the package's files
RELEASES = "https://releases.hashicorp.com/consul"
CONNECT_SECONDS = 5.0
DOWNLOAD_SECONDS = 300.0


def architecture() -> str:
    """Return the machine's architecture as Debian and Go call it."""
    if not own_architecture():
        reason = f"{platform.machine()}: no Consul for this architecture"
        raise BuildError(reason, hint="known: " + ", ".join(ARCHITECTURES))
    return own_architecture()


def consul_binary(version: str = VERSION) -> Path:
    """Return the Consul program, from the cache after the first time."""
    pins = [(SOURCE / name).read_bytes() for name in ("go.mod", "go.sum")]
    binary = cache_folder("consul", content_key([version, architecture(), *pins])[:12]) / "consul"
    with FileLock(binary.parent / "lock"):
        if not binary.exists():
            with replacing(binary, mode=0o755) as beside:
                if not fetch_release(version, beside):
                    build_from_source(version, beside)
                check_version(beside, version)
    return binary


def fetch_release(version: str, target: Path) -> bool:
    """Write the official program to ``target``; say False if the site does not answer. A wrong checksum is an error."""
    name = f"consul_{version}_linux_{architecture()}.zip"
    try:
        sums = download(f"{RELEASES}/{version}/consul_{version}_SHA256SUMS").decode()
        archive = download(f"{RELEASES}/{version}/{name}")
    except OSError:  # no route, no such name, refused, too slow
        return False
    expected = {line.split()[-1]: line.split()[0] for line in sums.splitlines() if line.strip()}.get(name)
    if expected is None or hashlib.sha256(archive).hexdigest() != expected:
        raise BuildError(f"{RELEASES}/{version}/{name}: its checksum is not in SHA256SUMS", hint="try again later")
    with zipfile.ZipFile(io.BytesIO(archive)) as opened, opened.open("consul") as program, target.open("wb") as output:
        shutil.copyfileobj(program, output)
    return True


def download(url: str) -> bytes:
    """Return what an https address answers, within a bounded time; OSError if it does not."""
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    chunks = []
    with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer:  # noqa: S310 (the scheme is in RELEASES)
        while chunk := answer.read(1 << 20):
            chunks.append(chunk)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{url}: slower than {DOWNLOAD_SECONDS:g} s")
    return b"".join(chunks)


def build_from_source(version: str, target: Path) -> None:
    """Build the version that go.mod pins."""
    if f"github.com/hashicorp/consul v{version} " not in (SOURCE / "go.mod").read_text(encoding="utf-8"):
        raise BuildError(f"{SOURCE}/go.mod does not pin Consul {version}", hint="go get -tool, then go mod tidy")
    build_program(SOURCE, "github.com/hashicorp/consul", target)


def check_version(program: Path, version: str) -> None:
    """Run the program once: a half download or a build for another machine must not stay in the cache."""
    program.chmod(0o755)
    said = run.run([str(program), "version"], timeout=60).stdout
    if not said.startswith(f"Consul v{version}"):
        raise BuildError(f"{program}: not Consul {version}: {said.strip()[:60]}")


def consul_package(version: str = VERSION) -> Path:
    """Return the stand-in .deb, from the cache after the first time."""
    binary = consul_binary(version)
    sources = sorted(path for path in (SOURCE / "package").rglob("*") if path.is_file())
    key = content_key([version, *(part for path in sources for part in (path.name, path.read_bytes()))])[:12]
    package = binary.parent / f"consul_{version}-{key}.deb"
    with FileLock(binary.parent / "lock"):
        if not package.exists():
            with tempfile.TemporaryDirectory(dir=binary.parent) as folder, replacing(package) as beside:
                tree = package_tree(Path(folder) / "tree", binary, version)
                run.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(beside)])
    return package


def package_tree(tree: Path, binary: Path, version: str) -> Path:
    """Lay the package out, ready for dpkg-deb."""
    shutil.copytree(SOURCE / "package", tree)
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.name == "postinst" else 0o644)
    control = tree / "DEBIAN" / "control"
    text = control.read_text().replace("@VERSION@", version).replace("@ARCHITECTURE@", architecture())
    control.write_text(text)
    (tree / "usr" / "bin").mkdir()
    (tree / "usr" / "bin" / "consul").hardlink_to(binary)
    return tree


def consul_image(client: docker.DockerClient, base: str, distribution: Distribution) -> str:
    """Return the base with Consul installed, neither enabled nor running: one layer, not a copy for each test."""
    if distribution.family is Family.RPM:
        command = f"rpm -i {CONSUL_REPOSITORY}/consul-*.rpm"
        return derived_image(
            client,
            consul_repository(client, base),
            "consul",
            key=[command],
            change=lambda container: prepare(container, command),
        )
    package = consul_package()

    def install(container: Container) -> None:
        put_file(container, "/var/tmp/consul.deb", package)
        prepare(container, "dpkg -i /var/tmp/consul.deb && rm /var/tmp/consul.deb")

    return derived_image(client, base, "consul", key=[package.name], change=install)


def consul_repository(client: docker.DockerClient, base: str) -> str:
    """Return an rpm distribution's base with Consul in a repository of its own, not installed."""
    return consul_repository_image(client, base, consul_binary(), SOURCE / "package", VERSION)
