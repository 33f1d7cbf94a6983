"""The gossip key of a living cluster, changed in Consul's own ring before any host restarts with another one.

A restarted agent has the key of its file alone. While some have one key and some another they do not hear each other; a
ring that holds both, and sends with the new one, is heard by all.
"""

from __future__ import annotations

from pyinfra.api.facts import FactBase

from pyinfra_deploy.agent import ASK
from pyinfra_deploy.data import secret_target

# The key, empty where the inventory names none, is the second line of standard input.
# With encrypt_verify_incoming off an agent hears also those that do not encrypt: Consul's way from one to the other.
LOOK = r"""
read -r key || :
leader=$(api status/leader | jq -r .) || exit 0
[ -n "$leader" ] || exit 0
own=$(jq -r .encrypt "$RUN/consul.d/encrypt.json" 2>/dev/null) || own=
self=$(api agent/self) || self='{}'
verifies=.DebugConfig.EncryptVerifyIncoming
is() { [ "$(printf %s "$self" | jq -r "$1 | tostring")" = "$2" ]; }
if [ "$key" = "$own" ]; then echo same
elif [ -z "$key" ]; then
    if [ "$GOSSIP_KEY_FILE" != TARGET ] || is "$verifies" false; then echo same; else echo closed; fi
elif [ -n "$own" ] || is .Stats.serf_lan.encrypted true; then echo other
elif is "$verifies" false; then echo same
else echo open; fi
"""
# Also a second time: a ring takes a key that it has.
CHANGE = r"""
read -r key || :
PATIENCE=60
for method in POST PUT; do
    said=$(ask "$method" operator/keyring "{\"Key\": \"$key\"}")
    case $said in *200) ;; *) printf 'refused %s\n' "$said" | tr '\n' ' '; exit 0 ;; esac
done
echo changed
"""


class GossipKey(FactBase[str | None]):
    """How the host's agent runs, beside the key wanted; None where there is no cluster.

    ``same``: there is nothing to change; ``other``: its key is another; ``open``: its gossip is not encrypted;
    ``closed``: its gossip is encrypted, and no key is wanted.
    """

    def command(self) -> str:
        """Compare them."""
        return ASK + LOOK.replace("TARGET", secret_target("cdh_gossip_key"))

    def process(self, output: list[str]) -> str:
        """Return what was found."""
        return output[-1]


class ChangedGossipKey(FactBase[str | None]):
    """Gives the key to every member of the cluster and has all send with it; empty, or why it was refused."""

    def command(self) -> str:
        """Change it."""
        return ASK + CHANGE

    def process(self, output: list[str]) -> str:
        """Return why it was refused."""
        said = " ".join(" ".join(output).split())
        return "" if said == "changed" else said.removeprefix("refused ")
