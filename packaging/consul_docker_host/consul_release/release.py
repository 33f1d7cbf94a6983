"""Package Consul for closed networks, only from the official release archive.

The archive is verified: its checksum is in SHA256SUMS, and HashiCorp has signed SHA256SUMS. The user provides
HashiCorp's public key, because a key that came with this project would prove nothing. Never publish the packages:
Consul's licence (BUSL) forbids it. They are in dist/consul/, which `inv repo` includes only with --with-consul.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from consul_docker_host.backends import choose_backend
from consul_docker_host.core.architectures import architecture_of, own_architecture
from consul_docker_host.core.download import check_digest, fetch, is_address
from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.core.report import say, stage, table
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace, fresh_folder, only_one
from consul_docker_host.package import control
from consul_docker_host.package.changelog import Release, read_changelog
from consul_docker_host.package.description import FORMATS
from consul_docker_host.package.plans import make_consul_plan
from consul_docker_host.repository.signing import verify_signature
from consul_docker_host.settings.model import Settings

RELEASES = "https://releases.hashicorp.com/consul"
VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
ARCHIVE = re.compile(r"consul_(?P<version>[^_]+)_linux_(?P<architecture>amd64|arm64)\.zip")
PROGRAM = re.compile(r"Consul v(?P<version>[0-9][0-9A-Za-z.+-]*)")
LICENCE = "LICENSE.txt"
KEY_HINT = "HashiCorp's public key, from https://www.hashicorp.com/trust/security or a machine that has it, as a file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A verified release archive: its file, Consul's version, Debian's name of the architecture."""

    file: Path
    version: str
    architecture: str


def build_packages(work: Workspace, settings: Settings, *, version: str, archive: str, key: str, backend: str) -> None:
    """Build dist/consul/ from the archive, a file or an address; empty: HashiCorp's own address, for amd64."""
    mistakes = Mistakes()
    with mistakes.collected():
        check_version(version, archive)
    with mistakes.collected():
        if not key or not Path(key).is_file():
            reason = f"--hashicorp-key {key}: no such file" if key else "--hashicorp-key: is missing"
            raise BuildError(f"{reason}; it is needed to verify the archive's signature", hint=KEY_HINT)
    with mistakes.collected():
        choice = choose_backend(backend)
    mistakes.refuse()
    source = archive or f"{RELEASES}/{version}/consul_{version}_linux_amd64.zip"
    with tempfile.TemporaryDirectory(prefix="consul-") as name:
        with stage(f"verifying {source}"):
            verified = verified_archive(source, version, Path(key), Path(name))
            program, licence, day = unpack(verified)
        release = Release(version=version, day=day, notes=(f"Consul {version} from the official release archive.",))
        with only_one(work), fresh_folder(work) as folder, stage(f"{choice.backend.name} writes deb, rpm"):
            plan = make_consul_plan(
                settings, work, program=program, licence=licence, release=release, architecture=verified.architecture
            )
            built = []
            for package_format in FORMATS:
                # HashiCorp's own debs have a revision, but our debs are native packages without one.
                own = replace(plan, version=f"{version}-1") if package_format == "deb" else plan
                path = Path(folder, control.artefact_name(own, package_format))
                choice.backend.build(own, package_format, path)
                path.chmod(0o644)
                built.append(path)
            (work.dist / "consul").mkdir(exist_ok=True)
            placed = [path.replace(work.dist / "consul" / path.name) for path in built]
    rows = [
        (f"dist/consul/{path.name}", f"{path.stat().st_size / 2**20:.1f} MiB", choice.backend.name) for path in placed
    ]
    for line in table(("made", "size", "by"), rows):
        say(line)
    say("for internal use only: Consul's licence (BUSL) forbids publishing them; ./inv repo --with-consul")


def check_version(version: str, archive: str) -> None:
    """Raise BuildError if this is not a version of Consul, or if the user's archive is not named after it."""
    if not VERSION.fullmatch(version):
        raise BuildError(f"--version {version}: is not a Consul version", hint="for example --version 1.22.7")
    if archive:
        match_archive(archive, version)


def match_archive(source: str, version: str) -> re.Match[str]:
    """Return the parts of an archive's name; raise BuildError unless it names this version for Linux."""
    match = ARCHIVE.fullmatch(source.rpartition("/")[2])
    if not match or match["version"] != version:
        hint = f"use consul_{version}_linux_amd64.zip or consul_{version}_linux_arm64.zip"
        raise BuildError(f"--archive {source}: is not the archive of Consul {version} for Linux", hint=hint)
    return match


def package_of(work: Workspace, settings: Settings, program: Path, folder: Path) -> Path:
    """Build a Debian package of a program that the user provides, and return its path in ``folder``.

    The program is not verified: the user vouches for it. Its date is our own release's, so the package is reproducible.
    """
    architecture = architecture_of(program)
    if architecture != own_architecture():
        raise BuildError(
            f"{program}: is built for {architecture or 'another architecture'}",
            hint=f"use one for {own_architecture()}, the architecture of this machine",
        )
    result = run([str(program.absolute()), "version"], check=False)
    match = PROGRAM.match(result.stdout)
    if result.returncode or not match:
        reason = f"does not report which version of Consul it is: {result.output.strip()[:200] or 'nothing'}"
        raise BuildError(f"{program}: {reason}", hint="`consul version` must print a line such as: Consul v1.22.7")
    version = match["version"].replace("-", "~")
    day = read_changelog(work.root / "CHANGELOG.md")[0].day
    release = Release(version=version, day=day, notes=(f"Consul {version}, a program given to an image.",))
    choice = choose_backend("auto")
    with only_one(work), stage(f"packing {program.name} {version}"):
        plan = make_consul_plan(
            settings, work, program=program.read_bytes(), licence=b"", release=release, architecture=architecture
        )
        own = replace(plan, version=f"{version}-1")
        path = folder / control.artefact_name(own, "deb")
        choice.backend.build(own, "deb", path)
    return path


def verified_archive(source: str, version: str, key: Path, folder: Path) -> Archive:
    """Return the archive, downloaded into ``folder`` from an address; raise BuildError unless it is HashiCorp's."""
    match, name = match_archive(source, version), source.rpartition("/")[2]
    beside, mistakes, files = source.removesuffix(name), Mistakes(), []
    for part in (f"consul_{version}_SHA256SUMS", f"consul_{version}_SHA256SUMS.sig", name):
        with mistakes.collected():
            files.append(fetch_file(f"{beside}{part}", folder))
    mistakes.refuse()
    sums, signature, file = files
    verify_signature(sums, signature, key)
    hint = "fetch the archive again; do not use this one"
    check_digest(file, name=name, sums=sums, source=source, hint=hint)
    return Archive(file=file, version=version, architecture=match["architecture"])


def fetch_file(source: str, folder: Path) -> Path:
    """Return a file on this disk, or one that is downloaded from an address into ``folder``."""
    if is_address(source):
        try:
            return fetch(source, folder / source.rpartition("/")[2])
        except OSError as error:
            hint = "without network access: download the files elsewhere and use --archive FILE"
            raise BuildError(f"{source}: {error}", hint=hint) from error
    path = Path(source)
    if not path.is_file():
        hint = "put the archive, consul_VERSION_SHA256SUMS and consul_VERSION_SHA256SUMS.sig into one directory"
        raise BuildError(f"{path}: no such file", hint=hint)
    return path


def unpack(archive: Archive) -> tuple[bytes, bytes, date]:
    """Return the program, its licence (empty if the archive has none), and its date, the time stamp of all files."""
    try:
        with zipfile.ZipFile(archive.file) as opened:
            entry = opened.getinfo("consul")
            licence = opened.read(LICENCE) if LICENCE in opened.namelist() else b""
            return opened.read(entry), licence, date(*entry.date_time[:3])
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BuildError(
            f"{archive.file}: {error}", hint="download the archive again: it must contain the program consul"
        ) from error
