"""Lock a cluster against concurrent deploys: a key in Consul's KV store that a session holds, acquired on a host.

The session is on the leader's node and has no health check, so no restart of an agent ends it. It ends when the lock is
released, or by its TTL if the deploy's machine has crashed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pyinfra.api.facts import FactBase

from pyinfra_deploy import script
from pyinfra_deploy.repository import NAME

KEY = f"{NAME}/deploy"
# The TTL is the limit for one host, because the lock is renewed between waves.
SECONDS = 1800
SESSION = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to a request for the lock: ``held`` with the session's ID, ``taken`` with its holder, ``refused``."""

    state: str
    text: str


def answer_of(output: list[str]) -> Answer:
    """Return the answer that a host printed; its session must be a UUID, because it is passed on to other hosts."""
    script.raise_unusable(output)
    state, _, text = script.one_line(" ".join(output)).partition(" ")
    if state == "held" and not SESSION.fullmatch(text):
        return Answer(state="refused", text="the ID of the session is not a UUID")
    return Answer(state=state, text=text)


class AcquiredLock(FactBase[Answer | None]):
    """The result of acquiring the lock; None without a cluster. A second deploy is shown the holder's name."""

    def command(self, who: str) -> str:
        """Acquire the lock."""
        return script.agent_command("lock", KEY, f"{NAME} deploy", str(SECONDS), who)

    def process(self, output: list[str]) -> Answer:
        """Return the answer."""
        return answer_of(output)


class RenewedLock(FactBase[bool]):
    """The result of renewing the session; False if it no longer exists."""

    def command(self, session: str) -> str:
        """Renew the session."""
        return script.agent_command("renew", session)

    def process(self, output: list[str]) -> bool:
        """Return whether the cluster still has the session; a missing answer does not count as a loss."""
        return output[-1] != "404"

    @staticmethod
    def default() -> bool:
        """Return the value for a host that gives no answer."""
        return True


class ReturnedLock(FactBase[bool | None]):
    """The result of releasing the lock; None if the host's agent could not release it."""

    def command(self, session: str) -> str:
        """Destroy the session, which deletes the key."""
        return script.agent_command("destroy", session)

    def process(self, output: list[str]) -> bool | None:
        """Return whether the lock is released."""
        return True if output[-1] == "200" else None


def holder_text(who: str, since: str, action: str) -> str:
    """Return the value of the key, which describes the holder to a second deploy."""
    return json.dumps({"who": who, "since": since, "action": action})


def holder_of(text: str) -> str:
    """Return a holder for people, also one that another program wrote."""
    try:
        holder = json.loads(text)
        # Any container in the cluster may write this key, and JSON can hide control characters.
        return script.one_line(f"{holder['who']} since {holder['since']} ({holder['action']})")
    except (ValueError, KeyError, TypeError):
        return text or "somebody"
