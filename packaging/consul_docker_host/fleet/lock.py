"""Keeps two deploys off one cluster at a time, by a lock of the cluster's own in each datacenter of the inventory."""

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

# The operator's own token, where the agents' may not write the key; Consul's own programs read the same name.
TOKEN = "CONSUL_HTTP_TOKEN"  # noqa: S105 - the name of a variable
Hosts = Mapping[str, Mapping[str, Any]]


@dataclass(kw_only=True)
class DeployLock:
    """What this deploy holds: a session for each datacenter, with the hosts through which it may be asked about."""

    hosts: Hosts
    tell: Tell
    say: Callable[[str], None]
    held: dict[str, str] = field(default_factory=dict)

    def question(self, datacenter: str, fact: type[Any], **arguments: str) -> Any:
        """Return what the datacenter's first host that can be asked says; None where there is none."""
        token = os.environ.get(TOKEN, "") + "\n"
        return first_answer(by_datacenter(self.hosts)[datacenter], fact, self.tell, stdin=token, **arguments)

    def acquire(self, action: str) -> None:
        """Take every datacenter's lock, or raise BuildError with its holder and give back what was taken."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        who = holder_text(f"{getpass.getuser()}@{socket.gethostname()}", now, action)
        for datacenter in by_datacenter(self.hosts):
            where = f"{datacenter}: " if datacenter else ""
            try:
                answer: Answer | None = self.question(datacenter, AcquiredLock, who=who)
            except BuildError as error:
                if action != "remove":
                    raise
                # A removal is a way out for a host whose package is broken.
                answer = Answer(state="refused", text=error.message)
            if answer is None:
                continue  # no cluster yet, so nothing that two could disturb
            if answer.state == "held":
                self.held[datacenter] = answer.text
            elif answer.state == "taken":
                raise BuildError(
                    f"{where}another deploy is running: {holder_of(answer.text)}",
                    hint=f"wait until it is finished; if it has died, run on a server: consul kv delete {KEY}",
                )
            else:
                self.say(f"{where}running without the lock that prevents concurrent deploys: {answer.text.strip()}")
                self.say(f"  set {TOKEN} in the environment to a token with session:write and key:write for {KEY}")

    def fault(self) -> str:
        """Renew what is held; return why the deploy may not go on, empty when it may."""
        for datacenter, session in self.held.items():
            if self.question(datacenter, RenewedLock, session=session) is False:
                return f"the lock {KEY} was lost"
        return ""

    def give_back(self) -> None:
        """Give back what is held."""
        for datacenter, session in self.held.items():
            if not self.question(datacenter, ReturnedLock, session=session):
                self.say(f"the lock could not be released; run on a server: consul kv delete {KEY}")
        self.held.clear()


@contextmanager
def lock_clusters(hosts: Hosts, asked: str, *, tell: Tell, say: Callable[[str], None]) -> Iterator[DeployLock]:
    """Give the lock of the hosts' clusters, given back at the end also where the deploy is interrupted.

    A removal ("remove") only sees to it that nobody else is at work: it would take away what is asked about the lock.
    """
    lock = DeployLock(hosts=hosts, tell=tell, say=say)
    try:
        lock.acquire(asked)
        if asked == "remove":
            lock.give_back()
        yield lock
    finally:
        lock.give_back()
