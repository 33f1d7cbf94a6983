"""Download files within a bounded time and check them against their SHA-256; the only downloader."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.request
from pathlib import Path

from consul_docker_host.core.errors import BuildError

CONNECT_SECONDS = 20.0
DOWNLOAD_SECONDS = 900.0
CHUNK = 1 << 20


def is_address(location: str) -> bool:
    """Return whether this is the location of a file on the network rather than on this disk."""
    return location.startswith(("http://", "https://"))


def fetch(url: str, target: Path, *, connect: float = CONNECT_SECONDS, seconds: float = DOWNLOAD_SECONDS) -> Path:
    """Download an http or https address to ``target`` and return that path; raise OSError if it fails or times out."""
    if not is_address(url):
        raise ValueError(f"{url}: neither http nor https")
    deadline = time.monotonic() + seconds
    try:
        with urllib.request.urlopen(url, timeout=connect) as answer, target.open("wb") as file:  # noqa: S310 - see above
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"slower than {seconds:g} s")
            # read() reports no error when the connection is cut; ``length`` then has the number of missing bytes.
            if answer.length:
                raise OSError(f"the connection was cut {answer.length} bytes before the end")
    except http.client.HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    return target


def check_digest(file: Path, *, name: str, sums: Path, source: str, hint: str) -> None:
    """Raise BuildError unless SHA256SUMS lists this file's SHA-256 under ``name``; the error names ``source``."""
    listed = (line.split() for line in sums.read_text(encoding="utf-8").splitlines())
    expected = {words[1]: words[0] for words in listed if len(words) == 2}.get(name)
    if expected is None:
        raise BuildError(f"{sums}: has no line for {name}", hint="take all three files of one release")
    with file.open("rb") as opened:
        actual = hashlib.file_digest(opened, "sha256").hexdigest()
    if actual != expected:
        raise BuildError(f"{source}: its SHA-256 is {actual}, but {sums.name} lists {expected}", hint=hint)
