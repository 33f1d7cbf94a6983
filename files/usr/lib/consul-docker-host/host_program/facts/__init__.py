"""Gather all facts about a host for the check, once; only the links decide what they mean."""

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
    """The facts about a host.

    ``holders`` are other programs that listen on the ports of Consul and dnsmasq, by port. ``complaints`` has the last
    complaint in the journal of each failing unit. ``firewall_rule`` is the command that lets containers in if the
    firewall drops their queries; it is empty if containers get answers.
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
        """Return systemd's state of the unit."""
        return self.units.get(name) or Unit(name)

    @property
    def consul_name(self) -> str:
        """The name under which Consul knows its own servers."""
        return consul.own_name(self.host)

    @property
    def has_dns(self) -> bool:
        """Whether dnsmasq itself, and no other program, answers at our address."""
        return self.dnsmasq.is_answering and 53 not in self.holders


def gather(host: Host) -> Facts:
    """Gather all facts, as many as possible in parallel."""
    is_root = bool(host.root) or os.geteuid() == 0
    later_units = Later(lambda: _show_units(host))
    later_holders = Later(lambda: ports.look(host))
    later_network = Later(lambda: network.look(host))
    later_guard = Later(lambda: network.look_at_guard(host)) if is_root and host.built_in.guard else None
    later_agent = Later(lambda: consul.ask_agent(host))
    later_names = Later(
        lambda: consul.ask_names(host, later_agent.get(), _unit(later_units, host.built_in.consul_unit))
    )
    later_dnsmasq = Later(lambda: names.look_at_dnsmasq(host, later_names.get()))
    later_resolver = Later(lambda: names.look_at_resolver(host, later_names.get()))
    later_docker = Later(lambda: docker.look(host, _unit(later_units, DOCKER)))
    later_complaints = Later(lambda: journal.look(later_units.get()))
    later_consul = Later(
        lambda: consul.look(
            host,
            agent=later_agent.get(),
            reply=later_names.get(),
            unit=_unit(later_units, host.built_in.consul_unit),
            is_root=is_root,
        )
    )
    holders = later_holders.get()
    dnsmasq = later_dnsmasq.get()
    has_dns = dnsmasq.is_answering and 53 not in holders
    engine = later_docker.get()
    if is_root and has_dns and engine.is_answering:
        engine = docker.ask_inside(host, engine, consul.own_name(host) if later_names.get() else "")
    return Facts(
        host=host,
        is_root=is_root,
        settings_file=settings.look(host, is_root=is_root),
        units=later_units.get(),
        complaints=later_complaints.get(),
        holders=holders,
        network=later_network.get(),
        guard=later_guard.get() if later_guard else None,
        consul=later_consul.get(),
        dnsmasq=dnsmasq,
        resolver=later_resolver.get(),
        has_variable=names.has_variable(host),
        docker=engine,
        # If containers get answers, no firewall drops their queries.
        firewall_rule=firewall.look(host) if is_root and engine.is_answering and not engine.are_answered else "",
    )


def _show_units(host: Host) -> dict[str, Unit]:
    return units.show(host.built_in.consul_unit, DNSMASQ, DOCKER, REGISTRATOR, GUARD)


def _unit(later_units: Later[dict[str, Unit]], name: str) -> Unit:
    return later_units.get().get(name) or Unit(name)
