"""Ask for names: from dnsmasq, by the host's own resolver, and by the variable for Consul's address."""

from __future__ import annotations

import glob
import os
import re
from typing import NamedTuple

from host_program import dns
from host_program.dns import Reply
from host_program.facts.consul import own_name
from host_program.files import read_text
from host_program.output import shorten
from host_program.programs import TIMED_OUT, have, run
from host_program.settings import LIBRARY, RUN, Host

# Package managers leave files with these names, which dnsmasq does not read.
LEFTOVER = re.compile(r"\.rpm[nso]|\.dpkg-")
OPTIONS = re.compile(r'^CONSUL_DOCKER_HOST_DNSMASQ="(.*)"$', re.MULTILINE)


class Dnsmasq(NamedTuple):
    """Whether dnsmasq is installed, its reply for Consul's name, whether it answers, and the mistake in its files."""

    has_command: bool
    reply: Reply | None
    is_answering: bool
    invalid: str


class Resolver(NamedTuple):
    """How the host's resolver uses dnsmasq, and whether the host finds Consul by name (None: not asked)."""

    way: str
    is_finding: bool | None


def look_at_dnsmasq(host: Host, consul: Reply | None) -> Dnsmasq:
    """Ask dnsmasq, for Consul's name if Consul itself answers for it, and run its own test of its files."""
    has_command = have("dnsmasq")
    reply, is_answering = ask(host, own_name(host) if consul else "")
    return Dnsmasq(has_command, reply, is_answering, _invalid(host) if has_command else "")


def ask(host: Host, name: str) -> tuple[Reply | None, bool]:
    """Ask port 53 at our address for a name, and without an answer for one of dnsmasq's own names."""
    address = host.built_in.address
    reply = dns.ask(address, 53, name) if name else None
    return reply, reply is not None or dns.ask_dnsmasq(address, "cachesize") is not None


def look_at_resolver(host: Host, consul: Reply | None) -> Resolver:
    """Ask the resolver script for its decision and, if Consul answers for its name, whether the host finds it."""
    way = run(f"{host.path(LIBRARY)}/resolver", "path").out.strip()
    is_finding = run("getent", "hosts", own_name(host)).is_ok if consul and consul.is_known else None
    return Resolver(way, is_finding)


def has_variable(host: Host) -> bool:
    """Return whether /etc/environment has the variable for Consul's address."""
    return any(line.startswith("CONSUL_HTTP_ADDR=") for line in read_text(host.path("/etc/environment")).splitlines())


def _invalid(host: Host) -> str:
    """Return why dnsmasq cannot start, as dnsmasq reports it, or as we know it if dnsmasq's test does not find it."""
    foreign, dynamic = _file_with(host, "bind-interfaces"), _file_with(host, "bind-dynamic")
    if foreign and dynamic:
        return f"bind-interfaces in {foreign} and bind-dynamic in {dynamic} exclude each other"
    options = OPTIONS.search(read_text(host.path(f"{RUN}/dnsmasq.env")))
    test = run("dnsmasq", "--test", *(options[1].split() if options else ()))
    lines = [line for line in (test.out + test.err).splitlines() if line]
    # A test that timed out proves nothing about the files.
    if test.is_ok or test.code == TIMED_OUT or not lines:
        return ""
    return shorten(lines[0].removeprefix("dnsmasq: "))


def _file_with(host: Host, key: str) -> str:
    """Return the first of dnsmasq's files that sets this key."""
    line = re.compile(rf"^[ \t]*{key}[ \t]*(#.*)?$", re.MULTILINE)
    for path in (host.path("/etc/dnsmasq.conf"), *sorted(glob.glob(host.path("/etc/dnsmasq.d/*")))):
        if not LEFTOVER.search(os.path.basename(path)) and line.search(read_text(path)):
            return path[len(host.root) :]
    return ""
