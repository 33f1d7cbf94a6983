"""All that the check knows about a host, gathered once; what it means is decided by the links alone."""

from __future__ import annotations

import os
from typing import NamedTuple

from host_program import units
from host_program.background import Later
from host_program.facts import consul, docker, firewall, journal, names, network, ports, settings
from host_program.facts.consul import Consul
from host_program.facts.docker import Docker
from host_program.facts.names import Dnsmasq, Resolver
from host_program.facts.network import Guard, Network
from host_program.facts.ports import Holder
from host_program.facts.settings import SettingsFile
from host_program.settings import Host
from host_program.units import DNSMASQ, DOCKER, GUARD, REGISTRATOR, Unit


class Facts(NamedTuple):
    """The host as it was found.

    ``holders`` are the programs that listen where a program of the chain has to, by port; ``complaints`` the last
    complaint in the journal of each unit that fails; ``firewall_rule`` the command that would let containers in where
    the firewall drops what they ask, as far as it was worth a look.
    """

    host: Host
    is_root: bool
    settings_file: SettingsFile
    units: dict[str, Unit]
    complaints: dict[str, str]
    holders: dict[int, Holder]
    network: Network
    guard: Guard | None
    consul: Consul
    dnsmasq: Dnsmasq
    resolver: Resolver
    has_variable: bool
    docker: Docker
    firewall_rule: str

    def unit(self, name: str) -> Unit:
        """Return what systemd knows about the unit."""
        return self.units.get(name) or Unit(name)

    @property
    def consul_name(self) -> str:
        """The name under which Consul knows its own servers."""
        return consul.own_name(self.host)

    @property
    def has_dns(self) -> bool:
        """Whether dnsmasq, and nobody in its place, answers at our address."""
        return self.dnsmasq.is_answering and 53 not in self.holders


def gather(host: Host) -> Facts:
    """Look at everything, at as much as possible at the same time."""
    is_root = bool(host.root) or os.geteuid() == 0
    found_units = Later(lambda: _show_units(host))
    found_holders = Later(lambda: ports.look(host))
    found_network = Later(lambda: network.look(host))
    found_guard = Later(lambda: network.look_at_guard(host)) if is_root and host.built_in.guard else None
    found_agent = Later(lambda: consul.ask_agent(host))
    found_names = Later(
        lambda: consul.ask_names(host, found_agent.get(), _unit(found_units, host.built_in.consul_unit))
    )
    found_dnsmasq = Later(lambda: names.look_at_dnsmasq(host, found_names.get()))
    found_resolver = Later(lambda: names.look_at_resolver(host, found_names.get()))
    found_docker = Later(lambda: docker.look(host, _unit(found_units, DOCKER)))
    found_complaints = Later(lambda: journal.look(found_units.get()))
    found_consul = Later(
        lambda: consul.look(
            host,
            agent=found_agent.get(),
            reply=found_names.get(),
            unit=_unit(found_units, host.built_in.consul_unit),
            is_root=is_root,
        )
    )
    holders = found_holders.get()
    dnsmasq = found_dnsmasq.get()
    has_dns = dnsmasq.is_answering and 53 not in holders
    engine = found_docker.get()
    if is_root and has_dns and engine.is_answering:
        engine = docker.ask_inside(host, engine, consul.own_name(host) if found_names.get() else "")
    return Facts(
        host=host,
        is_root=is_root,
        settings_file=settings.look(host, is_root=is_root),
        units=found_units.get(),
        complaints=found_complaints.get(),
        holders=holders,
        network=found_network.get(),
        guard=found_guard.get() if found_guard else None,
        consul=found_consul.get(),
        dnsmasq=dnsmasq,
        resolver=found_resolver.get(),
        has_variable=names.has_variable(host),
        docker=engine,
        # Containers that get their answers show that nothing drops what they ask.
        firewall_rule=firewall.look(host) if is_root and engine.is_answering and not engine.are_answered else "",
    )


def _show_units(host: Host) -> dict[str, Unit]:
    return units.show(host.built_in.consul_unit, DNSMASQ, DOCKER, REGISTRATOR, GUARD)


def _unit(found: Later[dict[str, Unit]], name: str) -> Unit:
    return found.get().get(name) or Unit(name)
