"""The one downloader: a file from an address, within a bounded time, and checked against its SHA-256."""

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


def is_address(where: str) -> bool:
    """Tell whether this names a file on the network rather than on this disk."""
    return where.startswith(("http://", "https://"))


def fetch(url: str, target: Path, *, connect: float = CONNECT_SECONDS, seconds: float = DOWNLOAD_SECONDS) -> Path:
    """Write what an http or https address answers to a file and return it; OSError where it does not answer in time."""
    if not is_address(url):
        raise ValueError(f"{url}: neither http nor https")
    deadline = time.monotonic() + seconds
    try:
        with urllib.request.urlopen(url, timeout=connect) as answer, target.open("wb") as file:  # noqa: S310 - see above
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"slower than {seconds:g} s")
            # read() ends quietly where a connection was cut: what was promised and did not come is left over here.
            if answer.length:
                raise OSError(f"the connection was cut {answer.length} bytes before the end")
    except http.client.HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    return target


def check_digest(file: Path, *, name: str, sums: Path, source: str, hint: str) -> None:
    """Raise BuildError unless SHA256SUMS has this file's SHA-256 under ``name``; ``source`` says where it is from."""
    listed = (line.split() for line in sums.read_text(encoding="utf-8").splitlines())
    expected = {words[1]: words[0] for words in listed if len(words) == 2}.get(name)
    if expected is None:
        raise BuildError(f"{sums}: has no line for {name}", hint="take all three files of one release")
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != expected:
        raise BuildError(f"{source}: its SHA-256 is {found}, and {sums.name} has {expected}", hint=hint)
