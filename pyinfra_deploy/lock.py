"""The cluster's own lock against two deploys at once: a key that a session of Consul's holds, asked for on a host.

The session stands on the leader's node and has no health check, so that no restart of an agent ends it: it goes when it
is given back, or by its own end where the deploy's machine has died.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pyinfra.api.facts import FactBase

from pyinfra_deploy import script
from pyinfra_deploy.repository import NAME

KEY = f"{NAME}/deploy"
# As long as one host may take at most: between two renewals stands one wave.
SECONDS = 1800
SESSION = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of asking for the lock: ``held`` with the session's id, ``taken`` with its holder, ``refused``."""

    state: str
    text: str


def answer_of(output: list[str]) -> Answer:
    """Return the answer that a host printed; the session that it names goes to other hosts, so it is a UUID alone."""
    script.raise_unusable(output)
    state, _, text = script.one_line(" ".join(output)).partition(" ")
    if state == "held" and not SESSION.fullmatch(text):
        return Answer(state="refused", text="the id of the session is not a UUID")
    return Answer(state=state, text=text)


class AcquiredLock(FactBase[Answer | None]):
    """Takes the lock; None where no cluster is there to hold one. The holder's name is for whoever comes second."""

    def command(self, who: str) -> str:
        """Take it."""
        return script.agent_command("lock", KEY, f"{NAME} deploy", str(SECONDS), who)

    def process(self, output: list[str]) -> Answer:
        """Return what came of it."""
        return answer_of(output)


class RenewedLock(FactBase[bool]):
    """Renews the session; False where it is no longer there."""

    def command(self, session: str) -> str:
        """Renew it."""
        return script.agent_command("renew", session)

    def process(self, output: list[str]) -> bool:
        """Tell whether the cluster still had it; one that does not answer just now is no loss of the lock."""
        return output[-1] != "404"

    @staticmethod
    def default() -> bool:
        """Return what no answer means."""
        return True


class ReturnedLock(FactBase[bool | None]):
    """Gives the lock back; None where the host's agent could not do it."""

    def command(self, session: str) -> str:
        """End the session: the key goes with it."""
        return script.agent_command("destroy", session)

    def process(self, output: list[str]) -> bool | None:
        """Tell whether it is done."""
        return True if output[-1] == "200" else None


def holder_text(who: str, since: str, action: str) -> str:
    """Return how a holder is known to whoever comes second."""
    return json.dumps({"who": who, "since": since, "action": action})


def holder_of(text: str) -> str:
    """Return a holder as a person reads it, also one that another program wrote."""
    try:
        holder = json.loads(text)
        # Any container of the cluster may write this key, and JSON hides what a terminal would obey.
        return script.one_line(f"{holder['who']} since {holder['since']} ({holder['action']})")
    except (ValueError, KeyError, TypeError):
        return text or "somebody"
