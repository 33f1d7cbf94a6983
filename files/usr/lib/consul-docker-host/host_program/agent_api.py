"""Ask the HTTP API of the local Consul agent, with the agent's own token.

The token is sent only in a header, so no list of processes shows it. Proxies in the environment are ignored, because
the address is link-local and a proxy elsewhere cannot reach it.

The protocol is HTTP/1.0: the answer ends with the connection, so a few lines can read it. http.client imports TLS and
mail parsers, which takes longer than the complete check.
"""

from __future__ import annotations

import json
import socket
import time
from typing import Any, NamedTuple

from host_program.settings import WRONG, Host

SECONDS = 3.0
ANSWER_LIMIT = 16 * 1024 * 1024
OK = 200
REFUSED = (401, 403)


class Answer(NamedTuple):
    """The agent's answer: the HTTP status (0: no answer), and the body's JSON (None: not JSON)."""

    status: int
    value: Any

    @property
    def is_ok(self) -> bool:
        """Whether the agent answered the request."""
        return self.status == OK

    @property
    def is_refused(self) -> bool:
        """Whether the agent requires another token."""
        return self.status in REFUSED

    def pick(self, *keys: str) -> Any:
        """Return the value below the keys; None if one of them is missing."""
        value = self.value
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def text(self, *keys: str) -> str:
        """Return the string below the keys; empty if there is none."""
        value = self.pick(*keys)
        return value if isinstance(value, str) else ""


def ask(host: Host, path: str, *, method: str = "GET", token: str | None = None, seconds: float = SECONDS) -> Answer:
    """Ask the local agent for /v1/PATH, with its own token unless another one is given; never raise."""
    status, body = fetch(host, path, method=method, token=token, seconds=seconds)
    try:
        return Answer(status, json.loads(body))
    except (ValueError, RecursionError):
        return Answer(status, None)


def fetch(
    host: Host,
    path: str,
    *,
    method: str = "GET",
    token: str | None = None,
    content: bytes = b"",
    seconds: float = SECONDS,
) -> tuple[int, bytes]:
    """Send ``content`` to /v1/PATH of the local agent and return the HTTP status and the unparsed body.

    The agent's own token is sent unless another one is given. The status is 0 if the agent does not answer.
    """
    if token is None:
        token = read_token(host, "AGENT_TOKEN_FILE")
    address, port = host.built_in.address, host.built_in.http_port
    lines = [f"{method} /v1/{path} HTTP/1.0", f"Host: {address}:{port}", f"Content-Length: {len(content)}"]
    if token:
        lines.append(f"X-Consul-Token: {token}")
    request = "\r\n".join([*lines, "", ""]).encode("ascii") + content
    try:
        head, _, body = exchange((address, port), request, seconds).partition(b"\r\n\r\n")
        return int(head.split(None, 2)[1]), body
    except (OSError, ValueError, IndexError):
        return 0, b""


def exchange(address: tuple[str, int], request: bytes, seconds: float) -> bytes:
    """Send a request and return the answer; raise OSError if the agent refuses it or does not answer in time."""
    end = time.monotonic() + seconds
    answer = bytearray()
    with socket.create_connection(address, timeout=seconds) as link:
        link.sendall(request)
        while len(answer) < ANSWER_LIMIT:
            link.settimeout(max(end - time.monotonic(), 0.001))
            part = link.recv(65536)
            if not part:
                break
            answer += part
    return bytes(answer)


def read_token(host: Host, key: str) -> str:
    """Return the token in the file that the key names; empty if no file is set or readable."""
    place = host.values[key]
    if place in {"", WRONG}:
        return ""
    try:
        with open(host.path(place), encoding="ascii") as file:
            return "".join(file.read().split())
    except (OSError, ValueError):
        return ""
