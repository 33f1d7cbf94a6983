"""The gossip key of a living cluster, changed in Consul's own ring before any host restarts with another one.

A restarted agent has the key of its file alone. While some have one key and some another they do not hear each other; a
ring that holds both, and sends with the new one, is heard by all.
"""

from __future__ import annotations

from pyinfra.api.facts import FactBase

from pyinfra_deploy import script
from pyinfra_deploy.data import secret_target


class GossipKey(FactBase[str | None]):
    """How the host's agent runs, beside the key wanted; None where there is no cluster.

    ``same``: there is nothing to change; ``other``: its key is another; ``open``: its gossip is not encrypted;
    ``closed``: its gossip is encrypted, and no key is wanted.
    """

    def command(self) -> str:
        """Compare them."""
        return script.agent_command("gossip-look", secret_target("cdh_gossip_key"))

    def process(self, output: list[str]) -> str:
        """Return what was found."""
        script.raise_unusable(output)
        return output[-1]


class ChangedGossipKey(FactBase[str | None]):
    """Gives the key to every member of the cluster and has all send with it; empty, or why it was refused."""

    def command(self) -> str:
        """Change it."""
        return script.agent_command("gossip-change")

    def process(self, output: list[str]) -> str:
        """Return why it was refused."""
        script.raise_unusable(output)
        answer = script.one_line(" ".join(output))
        return "" if answer == "changed" else answer.removeprefix("refused ")
