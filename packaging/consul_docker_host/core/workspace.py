"""Paths of the checkout and of the user's cache, and writing files so that readers never see a part."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.locks import Lock

PROJECT = "consul-docker-host"
# Directories in dist/ with this prefix are not complete yet.
BESIDE = ".new-"
LOCK_SECONDS = 600.0
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The directories of one build; tests pass their own root."""

    root: Path = ROOT

    @property
    def files(self) -> Path:
        """The payload as it lands on disk."""
        return self.root / "files"

    @property
    def packaging(self) -> Path:
        """The source root of the builder, with the packages' descriptions and scripts."""
        return self.root / "packaging"

    @property
    def build(self) -> Path:
        """Rendered trees, and the records that one build leaves for the next."""
        return self.root / "build"

    @property
    def dist(self) -> Path:
        """The artefacts."""
        return self.root / "dist"


def cache_path(*parts: str) -> Path:
    """Return a path in the user's cache, below ``$XDG_CACHE_HOME`` or ``~/.cache``, without creating it."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # neither HOME nor an entry in passwd, as in some containers
        base = Path(tempfile.gettempdir(), f"cache-{os.getuid()}")
    return Path(base, PROJECT, *parts)


def cache_folder(*parts: str) -> Path:
    """Return a directory in the user's cache, and create it if it is missing."""
    folder = cache_path(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def only_one(work: Workspace) -> Iterator[None]:
    """Keep other builds of this checkout out of build/ and dist/ while the block runs; wait 10 minutes at most."""
    busy = f"{work.build}: another build has been running for more than {LOCK_SECONDS / 60:.0f} minutes"
    waiting = "waiting for another build of this checkout ..."
    with Lock(work.build / ".lock", busy=busy, waiting=waiting, seconds=LOCK_SECONDS):
        # A build that was killed could not remove these.
        for stale in work.dist.glob(f"{BESIDE}*"):
            shutil.rmtree(stale, ignore_errors=True)
        yield


def fresh_folder(work: Workspace) -> tempfile.TemporaryDirectory[str]:
    """Return a temporary directory on the file system of dist/."""
    work.dist.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=BESIDE, dir=work.dist)


def content_key(parts: Iterable[bytes | str]) -> str:
    """Return one hexadecimal key for these values; each is framed by its length, so that no two lists share a key."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal, empty for a file that cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` if the block succeeds, else remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        beside.chmod(mode)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a text file so that a reader sees the old content or the new, never a part."""
    with replacing(path, mode=mode) as beside:
        beside.write_text(text, encoding="utf-8")


def copy_entry(source: Path, target: Path, path: str, mode: int, epoch: int) -> None:
    """Copy one file to the same path below another root, with the mode and the time stamp given."""
    copied = target / path
    copied.parent.mkdir(parents=True, exist_ok=True)
    copied.write_bytes((source / path).read_bytes())
    copied.chmod(mode)
    os.utime(copied, (epoch, epoch))
