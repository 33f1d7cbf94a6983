"""Prevent concurrent deploys to a cluster by a lock in the KV store of each datacenter in the inventory."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from consul_docker_host.core.errors import BuildError
from consul_docker_host.fleet.session import Tell, first_answer
from consul_docker_host.fleet.waves import by_datacenter
from pyinfra_deploy.lock import KEY, AcquiredLock, Answer, RenewedLock, ReturnedLock, holder_of, holder_text

# The operator's own token, for agents' tokens that may not write the key; Consul's own programs read the same variable.
TOKEN = "CONSUL_HTTP_TOKEN"  # noqa: S105 - the name of a variable
Hosts = Mapping[str, Mapping[str, Any]]


@dataclass(kw_only=True)
class DeployLock:
    """The locks of this deploy: a session for each datacenter, and the hosts that can be asked about it."""

    hosts: Hosts
    tell: Tell
    say: Callable[[str], None]
    held: dict[str, str] = field(default_factory=dict)

    def question(self, datacenter: str, fact: type[Any], **arguments: str) -> Any:
        """Return the answer of the datacenter's first usable host; None if there is none."""
        token = os.environ.get(TOKEN, "") + "\n"
        return first_answer(by_datacenter(self.hosts)[datacenter], fact, self.tell, stdin=token, **arguments)

    def acquire(self, action: str) -> None:
        """Take the lock of every datacenter; if another deploy holds one, raise BuildError with the holder."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        holder = holder_text(f"{getpass.getuser()}@{socket.gethostname()}", now, action)
        for datacenter in by_datacenter(self.hosts):
            prefix = f"{datacenter}: " if datacenter else ""
            try:
                answer: Answer | None = self.question(datacenter, AcquiredLock, who=holder)
            except BuildError as error:
                if action != "remove":
                    raise
                # A removal must also work on hosts whose package is broken.
                answer = Answer(state="refused", text=error.message)
            if answer is None:
                continue  # without a cluster concurrent deploys cannot disturb it
            if answer.state == "held":
                self.held[datacenter] = answer.text
            elif answer.state == "taken":
                raise BuildError(
                    f"{prefix}another deploy is running: {holder_of(answer.text)}",
                    hint=f"wait until it is finished; if it has died, run on a server: consul kv delete {KEY}",
                )
            else:
                self.say(f"{prefix}running without the lock that prevents concurrent deploys: {answer.text.strip()}")
                self.say(f"  set {TOKEN} in the environment to a token with session:write and key:write for {KEY}")

    def fault(self) -> str:
        """Renew the locks; return why the deploy must stop, empty if it may continue."""
        for datacenter, session in self.held.items():
            if self.question(datacenter, RenewedLock, session=session) is False:
                return f"the lock {KEY} was lost"
        return ""

    def give_back(self) -> None:
        """Release the locks."""
        for datacenter, session in self.held.items():
            if not self.question(datacenter, ReturnedLock, session=session):
                self.say(f"the lock could not be released; run on a server: consul kv delete {KEY}")
        self.held.clear()


@contextmanager
def lock_clusters(hosts: Hosts, asked: str, *, tell: Tell, say: Callable[[str], None]) -> Iterator[DeployLock]:
    """Yield the lock of the hosts' clusters, and release it at the end, also after an interruption.

    A removal ("remove") only checks that no other deploy runs, because it removes the program that renews the lock.
    """
    lock = DeployLock(hosts=hosts, tell=tell, say=say)
    try:
        lock.acquire(asked)
        if asked == "remove":
            lock.give_back()
        yield lock
    finally:
        lock.give_back()
