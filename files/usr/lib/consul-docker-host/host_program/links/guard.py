"""Check the link "guard": the rules that block access to the address from the network."""

from __future__ import annotations

from collections.abc import Iterator

from host_program import units
from host_program.facts import Facts
from host_program.finding import Finding, broken, ok, warn
from host_program.settings import FILE, Host

RESTART = "systemctl restart consul-docker-host-guard"


def check(facts: Facts) -> Iterator[Finding]:
    """Check the rules; without them the kernel accepts packets for the address on any interface."""
    address = facts.host.built_in.address
    guard = facts.guard
    is_failed = facts.unit(units.GUARD).active == "failed"
    if not facts.host.built_in.guard:
        yield warn("disabled: anyone who can reach this host can use Consul and DNS", "build with guard.enabled = true")
    elif guard is None:
        yield warn("only root can check this", "sudo consul-docker-host check")
    elif not guard.has_nft:
        reason = f"nft is not installed: {address} is reachable from the network"
        yield broken(reason, f"install nftables, then: {RESTART}")
    elif not guard.has_answered:
        yield warn("nft did not answer in time, so the rules are unknown", "run the check again")
    elif not guard.is_current:
        reason = ": consul-docker-host-guard failed" if is_failed else ""
        yield broken(f"{address} is reachable from the network{reason}", RESTART)
    elif guard.refused:
        yield warn(
            f"{' '.join(guard.refused)} is connected to the network: its containers are blocked",
            allow(facts.host, guard.refused),
        )
    elif is_failed:
        yield warn("in place, but consul-docker-host-guard failed", RESTART)
    else:
        yield ok(f"only this host and its containers can reach {address}")


def allow(host: Host, bridges: tuple[str, ...]) -> str:
    """Return the remedy that allows the bridges."""
    names = " ".join([*host.values["BRIDGES"].split(), *bridges])
    return f"set BRIDGES='{names}' in {FILE}, then: consul-docker-host apply"
