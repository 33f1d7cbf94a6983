"""The cluster's own lock against two deploys at once: a key that a session of Consul's holds, asked for on a host.

The session stands on the leader's node and has no health check, so that no restart of an agent ends it: it goes when it
is given back, or by its own end where the deploy's machine has died.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from pyinfra.api.facts import FactBase

from pyinfra_deploy.agent import ASK
from pyinfra_deploy.repository import NAME

KEY = f"{NAME}/deploy"
# As long as one host may take at most: between two renewals stands one wave.
SECONDS = 1800
TAKE = r"""
leader=$(api status/leader | jq -r .) || exit 0
[ -n "$leader" ] || exit 0
node=$(api catalog/service/consul | jq -r --arg address "${leader%:*}" '
    [.[] | select(.Address == $address) | .Node][0] // empty')
said=$(ask PUT session/create "$(jq -nc --arg name NAME --arg node "$node" '
    {Name: $name, TTL: "SECONDSs", LockDelay: "0s", Behavior: "delete", NodeChecks: []} +
    if $node == "" then {} else {Node: $node} end')")
case $said in *200) ;; *) printf 'refused %s\n' "$said" | tr '\n' ' '; exit 0 ;; esac
id=$(printf '%s\n' "$said" | sed '$d' | jq -r .ID)
said=$(ask PUT "kv/KEY?acquire=$id" WHO)
case $said in
    true*200) echo "held $id"; exit 0 ;;
    false*200) echo "taken $(ask GET 'kv/KEY?raw' | sed '$d')" ;;
    *) printf 'refused %s\n' "$said" | tr '\n' ' ' ;;
esac
ask PUT "session/destroy/$id" >/dev/null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of asking for the lock: ``held`` with the session's id, ``taken`` with its holder, ``refused``."""

    state: str
    text: str


def answer_of(output: list[str]) -> Answer:
    """Return the answer that a host printed."""
    state, _, text = " ".join(output).strip().partition(" ")
    return Answer(state=state, text=text)


class TakenLock(FactBase[Answer | None]):
    """Takes the lock; None where no cluster is there to hold one. The holder's name is for whoever comes second."""

    def command(self, who: str) -> str:
        """Take it."""
        words = {"NAME": shlex.quote(f"{NAME} deploy"), "KEY": KEY, "WHO": shlex.quote(who), "SECONDS": str(SECONDS)}
        script = TAKE
        for word, text in words.items():
            script = script.replace(word, text)
        return ASK + script

    def process(self, output: list[str]) -> Answer:
        """Return what came of it."""
        return answer_of(output)


class RenewedLock(FactBase[bool]):
    """Renews the session; False where it is no longer there."""

    def command(self, session: str) -> str:
        """Renew it."""
        return f"{ASK}ask PUT session/renew/{session} | tail -n 1"

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
        return f"{ASK}ask PUT session/destroy/{session} | tail -n 1"

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
        return f"{holder['who']} since {holder['since']} ({holder['action']})"
    except (ValueError, KeyError, TypeError):
        return text or "somebody"
