"""Find a firewall that drops the queries of containers."""

from __future__ import annotations

import re

from host_program.programs import run
from host_program.settings import Host

ALSO = "and the same in the firewall's own configuration"


def look(host: Host) -> str:
    """Return the command that lets containers in if the host drops incoming packets by default; else empty."""
    address = host.built_in.address
    rules = run("iptables", "-S").out
    if re.search(rf"^-A .*-d {re.escape(address)}(/32)? .*-j ACCEPT", rules, re.MULTILINE):
        return ""
    if "-P INPUT DROP" in rules:
        if "ufw-user-input" in rules:
            return f"ufw allow to {address}"
        return f"iptables -I INPUT -d {address} -j ACCEPT; {ALSO}"
    chain = _dropping_chain(run("nft", "list", "chains").out)
    if not chain or re.search(rf"ip daddr {re.escape(address)}.* accept", run("nft", "list", "chain", *chain).out):
        return ""
    return f"nft insert rule {' '.join(chain)} ip daddr {address} accept; {ALSO}"


def _dropping_chain(chains: str) -> tuple[str, ...]:
    """Return family, table and chain of the first input chain whose policy is drop."""
    table: list[str] = []
    name = ""
    for line in chains.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            table = words[1:3]
        elif words[:1] == ["chain"]:
            name = words[1]
        if "hook input" in line and "policy drop" in line:
            return (*table, name)
    return ()
