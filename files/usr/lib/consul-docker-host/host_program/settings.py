"""This host's settings: what is built into the package, with the lines of /etc/default/consul-docker-host above it.

The file is data and never run. A wrong line costs its one key; shell reads the same lines the same way (settings.sh), and
a test holds the two against each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from host_program.output import Failure

LIBRARY = "/usr/lib/consul-docker-host"
RUN = "/run/consul-docker-host"
STATE = "/var/lib/consul-docker-host"
FILE = "/etc/default/consul-docker-host"
# The value of a key of a secret's file whose line is wrong: as if no file were named, Consul would lose its key.
WRONG = "?"
IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)", re.ASCII)
PORT_LIMIT = 65535


class BuiltIn(NamedTuple):
    """What the build has decided, from defaults.json; ``keys`` maps a host's key to its kind and built-in value."""

    version: str
    interface: str
    address: str
    http_port: int
    dns_port: int
    domain: str
    consul_unit: str
    docker_dns: str
    environment: bool
    guard: bool
    registrator: bool
    keys: dict[str, tuple[str, str]]

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys that name a file with a secret or a certificate."""
        return tuple(key for key, (kind, _) in self.keys.items() if kind == "path")


class Problem(NamedTuple):
    """A line of the settings file, or the file that it names, that cannot be used."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{FILE}:{self.where}: {self.reason}"


class Host(NamedTuple):
    """This host: the prefix of every path (empty on a running host), and its settings."""

    root: str
    built_in: BuiltIn
    values: dict[str, str]
    problems: tuple[Problem, ...]

    def path(self, place: str) -> str:
        """Return where an absolute path of the host is found."""
        return self.root + place

    def __getitem__(self, key: str) -> str:  # type: ignore[override]
        return self.values[key]


def load_host(root: str) -> Host:
    """Read built-in values and the host's own; a package that is not whole raises Failure with 3."""
    built_in = read_built_in(root)
    values = {key: value for key, (_, value) in built_in.keys.items()}
    problems = []
    for number, line in enumerate(read_lines(root + FILE), start=1):
        found = parse_line(line, number, built_in)
        if isinstance(found, Problem):
            problems.append(found)
            if found.where in built_in.secrets:
                values[found.where] = WRONG
        elif found:
            values[found[0]] = found[1]
    return Host(root=root, built_in=built_in, values=values, problems=tuple(problems))


def read_built_in(root: str) -> BuiltIn:
    """Read defaults.json."""
    try:
        with open(f"{root}{LIBRARY}/defaults.json", encoding="utf-8") as file:
            found = json.load(file)
        keys = {key: (each["kind"], each["value"]) for key, each in found.pop("keys").items()}
        return BuiltIn(keys=keys, **{name: found[name] for name in BuiltIn._fields if name != "keys"})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"installation is incomplete: {LIBRARY}/defaults.json: {error}", 3) from None


def read_lines(path: str) -> list[str]:
    """Return a file's lines; none where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            return file.read().split("\n")
    except OSError:
        return []


def parse_line(line: str, number: int, built_in: BuiltIn) -> tuple[str, str] | Problem | None:
    """Return a line's key and value, what is wrong with it, or None where it says nothing."""
    line = line.strip(" \t\r\n\v\f")
    if not line or line[0] in "#;":
        return None
    key, has_value, value = line.partition("=")
    if not has_value:
        return Problem(key if key in built_in.keys else str(number), "has no =")
    if key not in built_in.keys:
        return Problem(str(number), f'"{key}" is none of the keys')
    if value[:1] in {'"', "'"}:
        if len(value) < 2 or value[-1] != value[0]:
            return Problem(key, "has an open quote")
        value = value[1:-1]
    value = value.replace('\\"', '"')
    reason = fault(built_in.keys[key][0], value)
    return Problem(key, reason) if reason else (key, value)


def fault(kind: str, value: str) -> str:
    """Return what is wrong with a value of this kind, in the words of a message; empty when it is right."""
    if not value.isprintable():
        return "contains a character that cannot be printed"
    if not value:
        return "is empty" if kind in {"role", "acl", "datacenter", "image"} else ""
    rule = RULES.get(kind)
    if rule is None:
        return ""
    is_right, reason, is_list = rule
    for part in value.split() if is_list else [value]:
        if not is_right(part):
            return f'"{part}" {reason}'
    return ""


def is_ipv4(text: str) -> bool:
    """Return whether the text is an IPv4 address with four decimal parts."""
    return IPV4.fullmatch(text) is not None


def is_server(text: str) -> bool:
    """Return whether the text is ADDRESS or ADDRESS#PORT, as dnsmasq writes it."""
    address, has_port, port = text.partition("#")
    if not is_ipv4(address):
        return False
    return not has_port or (re.fullmatch(r"[1-9]\d{0,4}", port, re.ASCII) is not None and int(port) <= PORT_LIMIT)


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


# For each kind of key: what a value has to be, what is said of another, whether it is a list.
RULES: dict[str, tuple[Callable[[str], bool], str, bool]] = {
    "ipv4": (is_ipv4, "is not an IPv4 address", False),
    "servers": (is_server, "is not an IPv4 address (with #port where it is not 53)", True),
    "datacenter": (_matches("[a-z0-9_-]+"), "may contain only lower-case letters, digits, - and _", False),
    "node_name": (_matches("[A-Za-z0-9][A-Za-z0-9-]*"), "may contain only letters, digits and -", False),
    "acl": (_matches("off|allow|deny"), "must be off, allow or deny", False),
    "role": (_matches("client|server"), "must be client or server", False),
    "number": (_matches(r"\d{1,2}"), "must be a number from 0 to 99", False),
    "path": (lambda text: text.startswith("/"), "must be an absolute path", False),
    "image": (_matches("[A-Za-z0-9._:/@][A-Za-z0-9._:/@-]*"), "is not the name of an image", False),
    "interfaces": (_matches(r"[A-Za-z0-9_.-]{1,15}\*?"), "is not the name of an interface", True),
}
