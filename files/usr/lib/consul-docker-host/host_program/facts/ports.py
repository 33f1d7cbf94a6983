"""Find other programs that listen on the ports of Consul and dnsmasq."""

from __future__ import annotations

import re
from typing import NamedTuple

from host_program.programs import run
from host_program.settings import Host

EVERYWHERE = ("127.0.0.1", "0.0.0.0", "*")  # noqa: S104 - nothing is bound
# A program chooses its own name of at most 15 bytes. The text that must surround a name and its process is longer, so
# that no name can imitate another process.
USER = re.compile(r'\("(.{1,15})",pid=(\d+),fd=\d+\)(?=,\("|\)\s*$)')


class Holder(NamedTuple):
    """A program that listens at an address and port, its process and its systemd unit, if it has one."""

    at: str
    program: str
    process: int
    unit: str


def look(host: Host) -> dict[int, Holder]:
    """Return the programs that hold a port of Consul or dnsmasq instead of them."""
    programs = {host.built_in.http_port: "consul", host.built_in.dns_port: "consul", 53: "dnsmasq"}
    wanted = " or ".join(f"sport = :{port}" for port in sorted(programs))
    holders: dict[int, Holder] = {}
    for line in run("ss", "-Hlntup", f"( {wanted} )").out.splitlines():
        listener = _parse(line, host.built_in.address)
        if listener is None:
            continue
        at, port, users = listener
        if port in holders or port not in programs or programs[port] in users:
            continue
        # systemd also holds the socket of a socket unit.
        program, process = next(((name, number) for name, number in users.items() if number != 1), ("systemd", 1))
        unit = run("ps", "-o", "unit=", "-p", str(process)).out.strip()
        holders[port] = Holder(at, program, process, unit)
    return holders


def _parse(line: str, address: str) -> tuple[str, int, dict[str, int]] | None:
    """Return the address, the port and the users of a line of ss that concerns our address."""
    fields = line.split(None, 6)
    if len(fields) < 7:
        return None
    at, _, port = fields[4].rpartition(":")
    at = at.partition("%")[0]
    users = {name: int(process) for name, process in USER.findall(fields[6])}
    if at not in {address, *EVERYWHERE} or not port.isdigit() or not users:
        return None
    return at, int(port), users
