"""Install a new gossip key in a running cluster before the first host gets it; refuse a change that would divide it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from consul_docker_host.fleet.lock import TOKEN
from consul_docker_host.fleet.session import Tell, first_answer
from consul_docker_host.fleet.waves import by_datacenter
from pyinfra_deploy.data import secret_text
from pyinfra_deploy.gossip import ChangedGossipKey, GossipKey

Hosts = Mapping[str, Mapping[str, Any]]
# To turn encryption on or off, Consul's own procedure has a phase in which members accept both kinds of messages.
BOTH_HEARD = (
    "set encrypt_verify_incoming = false and encrypt_verify_outgoing = false in a file of /etc/consul.d on every host, "
    "restart Consul there one by one, deploy, then remove the file in the same way"
)
DIVIDING = {
    "open": "gossip is not encrypted there; hosts with cdh_gossip_key could not talk to those without it",
    "closed": "gossip is encrypted there; hosts without cdh_gossip_key could not talk to those with it",
}


def key_of(hosts: Hosts) -> str:
    """Return the key of one cluster's hosts, empty if they have none."""
    path = next((str(data["cdh_gossip_key"]) for data in hosts.values() if data.get("cdh_gossip_key")), "")
    return secret_text(Path(path)).strip() if path else ""


def key_mistakes(hosts: Hosts) -> list[str]:
    """Return a line for each cluster whose hosts have different keys in the inventory; never show the keys."""
    mistakes = []
    for ours in by_datacenter(hosts).values():
        keys: dict[bytes, str] = {}
        for name, data in ours.items():
            path = Path(str(data.get("cdh_gossip_key") or ""))
            if path.is_file() and os.access(path, os.R_OK):
                keys.setdefault(path.read_bytes().strip(), name)
        if len(keys) > 1:
            names = " and ".join(list(keys.values())[:2])
            mistakes.append(f"{names}: cdh_gossip_key: the keys differ; all hosts of a datacenter need the same one")
    return mistakes


def change_keys(hosts: Hosts, *, dry: bool, tell: Tell, say: Callable[[str], None]) -> str:
    """Change the key of each cluster that uses another one; return why no host may be changed, empty if all may."""
    for datacenter, ours in by_datacenter(hosts).items():
        prefix = f"{datacenter}: " if datacenter else ""
        stdin = f"{os.environ.get(TOKEN, '')}\n{key_of(ours)}\n"
        state = first_answer(ours, GossipKey, tell, stdin=stdin)
        if state in DIVIDING:
            return f"{prefix}{DIVIDING[state]}: {BOTH_HEARD}"
        if state != "other":
            continue
        if dry:
            say(f"{prefix}the cluster's gossip key would be changed first, on all members")
            continue
        refused = first_answer(ours, ChangedGossipKey, tell, stdin=stdin)
        if refused != "":
            reason = refused or "no host answered"
            return (
                f"{prefix}the cluster did not accept the new gossip key: {reason}: "
                f'{TOKEN} in the environment may name a token with keyring = "write"'
            )
        say(f"{prefix}the cluster uses the new gossip key, on all members")
    return ""
