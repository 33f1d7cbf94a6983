"""Consul's HTTP API of the local agent, asked as the agent itself.

The token goes out in a header alone: no list of processes shows it. Proxies of the environment are not asked:
the address is link-local, and a proxy elsewhere cannot reach it.
"""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple

from host_program.settings import WRONG, Host

SECONDS = 3.0
ANSWER_LIMIT = 16 * 1024 * 1024


class Answer(NamedTuple):
    """What the agent answered: the HTTP status (0: nothing), and the body's JSON, None where it is none."""

    status: int
    value: Any

    @property
    def is_ok(self) -> bool:
        """Whether the agent answered what was asked."""
        return self.status == http.client.OK


def ask(host: Host, path: str, *, method: str = "GET", token: str | None = None, seconds: float = SECONDS) -> Answer:
    """Ask the local agent for /v1/PATH, with its own token unless another one is given; nothing is raised."""
    if token is None:
        token = read_token(host, "AGENT_TOKEN_FILE")
    connection = http.client.HTTPConnection(host.built_in.address, host.built_in.http_port, timeout=seconds)
    try:
        connection.request(method, f"/v1/{path}", headers={"X-Consul-Token": token} if token else {})
        answer = connection.getresponse()
        body = answer.read(ANSWER_LIMIT)
    except (OSError, http.client.HTTPException, ValueError):
        return Answer(0, None)
    finally:
        connection.close()
    try:
        return Answer(answer.status, json.loads(body))
    except ValueError:
        return Answer(answer.status, None)


def read_token(host: Host, key: str) -> str:
    """Return the token in the file that the key names; empty where there is none that can be read."""
    place = host[key]
    if place in {"", WRONG}:
        return ""
    try:
        with open(host.path(place), encoding="ascii") as file:
            return "".join(file.read().split())
    except (OSError, ValueError):
        return ""
