"""The downloader: a file or an error, never a wait without an end, and no file that its checksum does not vouch for."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from consul_docker_host.core.download import check_digest, fetch, is_address
from consul_docker_host.core.errors import BuildError


class Site(BaseHTTPRequestHandler):
    """Answers each path in its own way."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(404 if self.path == "/missing" else 200)
        if self.path == "/short":
            self.send_header("Content-Length", "100")
        self.end_headers()
        for _ in range(20 if self.path == "/slow" else 1):
            self.wfile.write(b"x" * (1 << 20) if self.path == "/slow" else b"content")
            if self.path == "/slow":
                time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_file_is_written_and_returned(site: str, tmp_path: Path) -> None:
    assert fetch(f"{site}/file", tmp_path / "file") == tmp_path / "file"
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize(("path", "fault"), [("missing", "404"), ("short", "cut 93 bytes before the end")])
def test_what_is_not_answered_in_full_is_an_os_error(site: str, tmp_path: Path, path: str, fault: str) -> None:
    with pytest.raises(OSError, match=fault):
        fetch(f"{site}/{path}", tmp_path / "file")


def test_a_slow_site_is_an_error_after_its_time(site: str, tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match=r"slower than 0\.1 s"):
        fetch(f"{site}/slow", tmp_path / "file", seconds=0.1)


def test_a_refused_connection_is_an_os_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        fetch(f"http://127.0.0.1:{port}/", tmp_path / "file")


def test_only_http_and_https_are_addresses(tmp_path: Path) -> None:
    assert is_address("https://a.example/x")
    assert not is_address("/srv/x")
    with pytest.raises(ValueError, match="neither http nor https"):
        fetch("file:///etc/passwd", tmp_path / "file")


@pytest.mark.parametrize(
    ("line", "fault"),
    [("{digest}  other.zip", "has no line for a.zip"), ("0000  a.zip", "its SHA-256 is {digest}, but SUMS lists 0000")],
)
def test_a_file_without_its_checksum_is_refused(tmp_path: Path, line: str, fault: str) -> None:
    file, sums = tmp_path / "a.zip", tmp_path / "SUMS"
    file.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    sums.write_text(line.format(digest=digest) + "\n")
    with pytest.raises(BuildError) as caught:
        check_digest(file, name="a.zip", sums=sums, source="https://a.example/a.zip", hint="again")
    assert fault.format(digest=digest) in caught.value.message
    sums.write_text(f"{digest}  a.zip\n")
    check_digest(file, name="a.zip", sums=sums, source="", hint="")
