"""Deregister Registrator's services from the local agent, which keeps them when Registrator exits."""

from __future__ import annotations

import os
import queue
import re
import threading
import time
from urllib.parse import quote

from host_program.agent_api import ask, read_token
from host_program.output import Failure
from host_program.settings import Host

# Without a leader each answer takes until its timeout, although the agent has removed the service by then.
SECONDS = 8.0
AT_ONCE = 50
# Registrator's IDs have the form HOSTNAME:CONTAINER:PORT, with :udp at the end for UDP. An ID that SERVICE_ID sets does
# not show that it is Registrator's.
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+:[0-9]+(:udp)?")


def main(host: Host, arguments: list[str]) -> int:
    """Deregister all services in parallel; raise Failure if Consul keeps any."""
    del arguments
    if not host.built_in.registrator:
        return 0
    token = read_token(host, "REGISTRATOR_TOKEN_FILE") or read_token(host, "AGENT_TOKEN_FILE")
    deregister(host, registered(host, token), token)
    kept = len(registered(host, token))
    if kept:
        services = "1 service" if kept == 1 else f"{kept} services"
        raise Failure(
            f"Consul keeps {services} of Registrator; with ACLs, set REGISTRATOR_TOKEN_FILE= to the file of a token "
            "that may write them"
        )
    return 0


def registered(host: Host, token: str) -> list[str]:
    """Return the IDs of the services that Registrator registered on this host."""
    services = ask(host, "agent/services", token=token).value
    prefix = f"{os.uname().nodename}:"
    names = services if isinstance(services, dict) else {}
    return [name for name in names if name.startswith(prefix) and ID.fullmatch(name[len(prefix) :])]


def deregister(host: Host, names: list[str], token: str) -> None:
    """Remove the services from the agent; return when all requests are answered or have timed out."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            ask(host, f"agent/service/deregister/{quote(name, safe='')}", method="PUT", token=token)

    end = time.monotonic() + SECONDS
    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(names)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
