"""Write apt's half of the repository: the indices of each architecture, also by hash, and their signatures."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import lzma
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

from consul_docker_host.core.workspace import PROJECT
from consul_docker_host.repository.catalogue import Item
from consul_docker_host.repository.signing import Signer
from consul_docker_host.repository.swap import link_file, write_bytes

INDEXED_ARCHITECTURES = ("all", "amd64", "arm64")
COMPONENT = "main"
BY_HASH = "by-hash/SHA256"
DATE = "%a, %d %b %Y %H:%M:%S UTC"
# For repetitive texts preset 1 is nearly as small as the default, in a tenth of the time.
XZ_PRESET = 1
GZIP_LEVEL = 6


def packages_text(items: Sequence[Item], architecture: str) -> str:
    """Return the Packages file of an architecture; packages for all are in each, as in Debian's own archive."""
    return "\n".join(item.texts[0] for item in items if item.architecture in {architecture, "all"})


def index_files(items: Sequence[Item], former: Path) -> dict[str, bytes]:
    """Return the indices of a channel by their paths below dists/CHANNEL.

    Equal indices are compressed once, or taken from the ``former`` dists/CHANNEL if it has them.
    """
    packed: dict[str, tuple[bytes, bytes, bytes]] = {}
    files: dict[str, bytes] = {}
    for architecture in INDEXED_ARCHITECTURES:
        text = packages_text(items, architecture)
        if text not in packed:
            packed[text] = _packed(text.encode(), former / COMPONENT / f"binary-{architecture}" / "Packages")
        for suffix, content in zip(("", ".gz", ".xz"), packed[text], strict=True):
            files[f"{COMPONENT}/binary-{architecture}/Packages{suffix}"] = content
    return files


def _packed(plain: bytes, former: Path) -> tuple[bytes, bytes, bytes]:
    """Return an index uncompressed, by gzip and by xz."""
    with contextlib.suppress(OSError):
        if former.read_bytes() == plain:
            return plain, former.with_suffix(".gz").read_bytes(), former.with_suffix(".xz").read_bytes()
    small = lzma.compress(plain, preset=XZ_PRESET)
    return plain, gzip.compress(plain, compresslevel=GZIP_LEVEL, mtime=0), small


def release_text(channel: str, files: Mapping[str, bytes], *, now: datetime, valid_days: int) -> str:
    """Return the Release file, which lists the indices' hashes (Debian's wiki: DebianRepository/Format)."""
    lines = [
        f"Origin: {PROJECT}",
        f"Label: {PROJECT}",
        f"Suite: {channel}",
        f"Codename: {channel}",
        f"Date: {now.strftime(DATE)}",
    ]
    if valid_days:
        lines.append(f"Valid-Until: {(now + timedelta(days=valid_days)).strftime(DATE)}")
    lines += [
        "Acquire-By-Hash: yes",
        # Without it apt would also fetch binary-all, whose packages are in each architecture's index.
        "No-Support-for-Architecture-all: Packages",
        f"Architectures: {' '.join(INDEXED_ARCHITECTURES)}",
        f"Components: {COMPONENT}",
        f"Description: Packages of {PROJECT}, {channel}",
        "SHA256:",
    ]
    lines += [f" {digest(content)} {len(content)} {path}" for path, content in sorted(files.items())]
    return "\n".join((*lines, ""))


def digest(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_channel(folder: Path, files: Mapping[str, bytes], release: str, signer: Signer) -> None:
    """Write dists/CHANNEL: indices under their names and their hashes, the Release file, both forms of signature."""
    for path, content in files.items():
        by_hash = folder / Path(path).parent / BY_HASH / digest(content)
        if not by_hash.exists():
            write_bytes(by_hash, content)
        (folder / path).unlink(missing_ok=True)
        link_file(by_hash, folder / path)
    with ThreadPoolExecutor(max_workers=2) as pool:
        inside, apart = pool.submit(signer.clearsigned, release), pool.submit(signer.signature, release)
    write_bytes(folder / "InRelease", inside.result().encode())
    write_bytes(folder / "Release.gpg", apart.result().encode())
    write_bytes(folder / "Release", release.encode())
