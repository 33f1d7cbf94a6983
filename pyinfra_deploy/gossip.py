"""Change the gossip key of a running cluster in Consul's keyring, before any host restarts with the new key.

A restarted agent has only the key of its file, and agents with different keys cannot communicate. A keyring with both
keys that sends with the new one can communicate with all agents.
"""

from __future__ import annotations

from pyinfra.api.facts import FactBase

from pyinfra_deploy import script
from pyinfra_deploy.data import secret_target


class GossipKey(FactBase[str | None]):
    """How the agent's gossip compares with the inventory's key; None if there is no cluster.

    ``same``: there is nothing to change; ``other``: the agent has another key; ``open``: its gossip is not encrypted;
    ``closed``: its gossip is encrypted, but the inventory has no key.
    """

    def command(self) -> str:
        """Compare the keys."""
        return script.agent_command("gossip-look", secret_target("cdh_gossip_key"))

    def process(self, output: list[str]) -> str:
        """Return the result of the comparison."""
        script.raise_unusable(output)
        return output[-1]


class ChangedGossipKey(FactBase[str | None]):
    """The result of installing the key on every member and using it for sending: empty, or why it was refused."""

    def command(self) -> str:
        """Change the key."""
        return script.agent_command("gossip-change")

    def process(self, output: list[str]) -> str:
        """Return why the change was refused."""
        script.raise_unusable(output)
        answer = script.one_line(" ".join(output))
        return "" if answer == "changed" else answer.removeprefix("refused ")
