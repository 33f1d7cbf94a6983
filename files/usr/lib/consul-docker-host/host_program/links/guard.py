"""guard: the rules that keep the network away from the address."""

from __future__ import annotations

from collections.abc import Iterator

from host_program import units
from host_program.facts import Facts
from host_program.finding import Finding, broken, ok, warn
from host_program.settings import FILE, Host

RESTART = "systemctl restart consul-docker-host-guard"


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge the rules; without them the kernel takes a packet for the address on any interface."""
    address = facts.host.built_in.address
    guard = facts.guard
    is_failed = facts.unit(units.GUARD).active == "failed"
    if not facts.host.built_in.guard:
        yield warn("switched off: whoever reaches this host may use Consul and DNS", "build with guard.enabled = true")
    elif guard is None:
        yield warn("only root can look", "sudo consul-docker-host check")
    elif not guard.has_nft:
        yield broken(f"nft is not installed: the network reaches {address}", f"install nftables, then: {RESTART}")
    elif not guard.is_current:
        why = ": consul-docker-host-guard failed" if is_failed else ""
        yield broken(f"the network reaches {address}{why}", RESTART)
    elif guard.refused:
        yield warn(
            f"{' '.join(guard.refused)} leads to the network: its containers cannot ask",
            allow(facts.host, guard.refused),
        )
    elif is_failed:
        yield warn("in place, but consul-docker-host-guard failed", RESTART)
    else:
        yield ok(f"only this host and its containers reach {address}")


def allow(host: Host, bridges: tuple[str, ...]) -> str:
    """Return the line that lets the bridges in."""
    names = " ".join([*host.values["BRIDGES"].split(), *bridges])
    return f"BRIDGES='{names}' in {FILE}, then: consul-docker-host apply"
