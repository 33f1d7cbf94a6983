"""Two network namespaces in which our address answers as a fault's folder of data says: a host's, and a container's.

What Consul and dnsmasq answer is decided here alone, for programs by real sockets and for tests in process without one.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from host_program.facts import namespace

ADDRESS = "169.254.1.1"
HTTP_PORT, DNS_PORT = 8500, 8600
READY = f"ip link set lo up && ip address add {ADDRESS}/32 dev lo && echo ready && exec sleep infinity"
COUNTERS = ("cachesize", "hits", "misses")
HEADER = struct.Struct("!6H")


def answer_name(data: Path, place: str, question: bytes) -> bytes:
    """Return what a DNS server answers; nothing where it is silent.

    The file dns-PLACE-name has the response code and the number of answers, dns-PLACE-own the numbers of dnsmasq.
    """
    name = question[HEADER.size + 1 :].split(b"\0")[0]
    counter = next((number for number, word in enumerate(COUNTERS) if name.startswith(word.encode())), None)
    numbers = (data / f"dns-{place}-{'name' if counter is None else 'own'}").read_text().split()
    if not numbers:
        return b""
    code, answers, text = (int(numbers[0]), int(numbers[1]), b"") if counter is None else (0, 1, b"")
    if counter is not None:
        digits = numbers[counter].encode()
        text = bytes([len(digits)]) + digits
    return HEADER.pack(int.from_bytes(question[:2]), 0x8180 | code, 1, answers, 0, 0) + question[HEADER.size :] + text


def answer_request(data: Path, request: bytes) -> bytes:
    """Return what the agent answers to an HTTP request: the file of its path, or the status in the file http_code."""
    path = request.split()[1].decode().removeprefix("/v1/").replace("/", ".")
    file = data / path
    body = file.read_bytes() if file.exists() else b""
    status = 200 if body else int((data / "http_code").read_text())
    return f"HTTP/1.0 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body if status else b""


@dataclass(frozen=True, slots=True)
class Network:
    """Two processes that hold a namespace each."""

    host: subprocess.Popen[str]
    container: subprocess.Popen[str]

    @property
    def enter(self) -> list[str]:
        """The beginning of a command line that runs in the host's namespace."""
        return [str(shutil.which("nsenter")), f"--net=/proc/{self.host.pid}/ns/net"]

    @contextlib.contextmanager
    def serve(self, data: Path) -> Iterator[None]:
        """Answer from the folder of data until the block ends; where it is silent nobody listens."""
        selector = selectors.DefaultSelector()
        places = ((self.host, "53", 53), (self.host, "8600", DNS_PORT), (self.container, "inside-53", 53))
        stop, stopped = os.pipe()
        selector.register(stop, selectors.EVENT_READ, None)
        sockets = []
        try:
            for process, place, port in places:
                if any((data / f"dns-{place}-{kind}").read_text() for kind in ("name", "own")):
                    sockets.append(_open(process, socket.SOCK_DGRAM, port))
                    selector.register(sockets[-1], selectors.EVENT_READ, place)
            sockets.append(_open(self.host, socket.SOCK_STREAM, HTTP_PORT))
            selector.register(sockets[-1], selectors.EVENT_READ, "http")
            thread = threading.Thread(target=_serve, args=(selector, data))
            thread.start()
            yield
            os.write(stopped, b"x")
            thread.join()
        finally:
            for each in sockets:
                each.close()
            os.close(stop)
            os.close(stopped)
            selector.close()


def _open(process: subprocess.Popen[str], kind: socket.SocketKind, port: int) -> socket.socket:
    def bind() -> socket.socket:
        link = socket.socket(socket.AF_INET, kind)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        link.bind((ADDRESS, port))
        if kind == socket.SOCK_STREAM:
            link.listen()
        return link

    found = namespace.inside(f"/proc/{process.pid}/ns/net", bind)
    assert found is not None
    return found


def _serve(selector: selectors.BaseSelector, data: Path) -> None:
    while True:
        for key, _ in selector.select():
            if key.data is None:
                return
            link = cast("socket.socket", key.fileobj)
            if key.data == "http":
                client, _ = link.accept()
                with client, contextlib.suppress(OSError):
                    client.sendall(answer_request(data, client.recv(4096)))
            else:
                question, asker = link.recvfrom(4096)
                if answer := answer_name(data, key.data, question):
                    link.sendto(answer, asker)


@contextlib.contextmanager
def make_network() -> Iterator[Network]:
    """Hold both namespaces until the block ends."""
    argv = ["unshare", "--net", "sh", "-c", READY]
    held = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for process in held:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        yield Network(*held)
    finally:
        for process in held:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
