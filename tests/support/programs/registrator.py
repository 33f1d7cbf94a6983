"""Registrator without its image: the stand-in's program, and a Docker and a Consul of a few lines for either."""

from __future__ import annotations

import contextlib
import http.server
import json
import queue
import re
import socketserver
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from consul_docker_host.core.locks import Lock
from consul_docker_host.core.workspace import cache_folder, content_key, replacing
from consul_docker_host.prove.golang import build_program

STANDIN = Path(__file__).with_name("registrator-standin")
LEADER = "10.0.0.1:8300"


def standin_name() -> str:
    """Return the stand-in's name in the cache."""
    return f"standin-{content_key([path.read_bytes() for path in sorted(STANDIN.glob('*.*'))])[:12]}"


def standin_program() -> Path:
    """Return the stand-in for Registrator, built on the first call."""
    program = cache_folder("registrator") / standin_name()
    with Lock(program.with_suffix(".lock")):
        if not program.exists():
            with replacing(program, mode=0o755) as beside, tempfile.TemporaryDirectory() as folder:
                built = Path(folder) / "registrator"
                build_program(STANDIN, ".", built)
                beside.write_bytes(built.read_bytes())
    return program


@dataclass
class World:
    """What Docker runs and what Consul knows, by container and by service; an event None ends Docker's stream."""

    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: queue.Queue[dict[str, str] | None] = field(default_factory=queue.Queue)

    def docker(self, path: str) -> object:
        """Answer a question to Docker; None: there is no such thing."""
        if path.endswith("/containers/json"):
            return [{"Id": name, "Names": [one["Name"]]} for name, one in self.containers.items()]
        if match := re.search(r"/containers/([^/]+)/json$", path):
            return self.containers.get(match[1])
        return {"Version": "28.0.0", "ApiVersion": "1.41"}

    def consul(self, path: str, body: bytes) -> object:
        """Answer a question to Consul's agent, or do what it is told."""
        if path == "/v1/agent/service/register":
            service = json.loads(body)
            self.services[service["ID"]] = service
        elif path.startswith("/v1/agent/service/deregister/"):
            self.services.pop(unquote(path.rpartition("/")[2]), None)
        elif path == "/v1/agent/services":
            return {name: {"ID": name, "Service": one["Name"]} for name, one in self.services.items()}
        elif path == "/v1/status/leader":
            return LEADER
        return ""


class Handler(http.server.BaseHTTPRequestHandler):
    """What both have in common."""

    protocol_version = "HTTP/1.1"
    world: World

    def do_GET(self) -> None:
        """Answer."""
        path = urlsplit(self.path).path
        if isinstance(self.server, UnixServer):
            if path.endswith("/events"):
                self.stream()
            else:
                self.answer(self.world.docker(path))
        else:
            self.answer(self.world.consul(path, b""))

    def do_PUT(self) -> None:
        """Do what is told."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(self.world.consul(urlsplit(self.path).path, body))

    def answer(self, value: object) -> None:
        """Send JSON."""
        data = json.dumps(value).encode()
        self.send_response(404 if value is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self) -> None:
        """Send Docker's events until the last."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while (event := self.world.events.get()) is not None:
            line = json.dumps(event | {"Type": "container", "time": int(time.time())}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def address_string(self) -> str:
        """Return a name: a Unix socket has no address."""
        return "client"

    def log_message(self, *_: object) -> None:
        """Write nothing."""


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Docker's socket."""

    daemon_threads = True


@contextlib.contextmanager
def running_world(world: World, folder: Path) -> Iterator[tuple[Path, str]]:
    """Let Docker and Consul answer from ``world``; give Docker's socket and Consul's HOST:PORT."""
    handler = type("WorldHandler", (Handler,), {"world": world})
    socket = folder / "docker.sock"
    with (
        UnixServer(str(socket), handler) as docker,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as consul,
    ):
        for server in (docker, consul):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield socket, f"127.0.0.1:{consul.server_address[1]}"
        finally:
            world.events.put(None)
            docker.shutdown()
            consul.shutdown()
