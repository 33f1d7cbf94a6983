"""Load the settings of this host: the package's built-in values, overridden by /etc/default/consul-docker-host.

The file is parsed and never executed. A wrong line affects only its own key. The shell scripts read the lines in the
same way, and a test compares the two.
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
# The value of a secret's key whose line is wrong; an empty value would mean that Consul uses no secret.
WRONG = "?"
IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)", re.ASCII)
PORT_LIMIT = 65535
# The shell scripts compare bytes, so only ASCII counts as printable there.
PRINTABLE = re.compile("[ -~]*")
UNPRINTABLE = "contains a character that cannot be printed"


class Key(NamedTuple):
    """A key of the host's settings file: the rule for its value, and its built-in value."""

    kind: str
    required: bool
    choices: tuple[str, ...]
    value: str

    @property
    def is_file(self) -> bool:
        """Whether the key names a file with a secret or a certificate."""
        return self.kind.endswith("-file")


class BuiltIn(NamedTuple):
    """The values of the build, from defaults.json."""

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
    keys: dict[str, Key]

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys that name a file with a secret or a certificate."""
        return tuple(name for name, key in self.keys.items() if key.is_file)


class Problem(NamedTuple):
    """A line of the settings file that cannot be used, or whose file cannot be used."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{FILE}:{self.where}: {self.reason}"


class Host(NamedTuple):
    """One host: the prefix of every path (empty on a running host), and its settings."""

    root: str
    built_in: BuiltIn
    values: dict[str, str]
    problems: tuple[Problem, ...]

    def path(self, place: str) -> str:
        """Return the path with the host's prefix."""
        return self.root + place


def load_host(root: str) -> Host:
    """Read the built-in values and the host's own; an incomplete installation raises Failure with 3."""
    built_in = read_built_in(root)
    values = {name: key.value for name, key in built_in.keys.items()}
    problems = []
    for number, line in enumerate(read_lines(root + FILE), start=1):
        parsed = parse_line(line, number, built_in.keys)
        if isinstance(parsed, Problem):
            problems.append(parsed)
            if parsed.where in built_in.secrets:
                values[parsed.where] = WRONG
        elif parsed:
            values[parsed[0]] = parsed[1]
    return Host(root=root, built_in=built_in, values=values, problems=tuple(problems))


def read_built_in(root: str) -> BuiltIn:
    """Read defaults.json."""
    try:
        with open(f"{root}{LIBRARY}/defaults.json", encoding="utf-8") as file:
            content = json.load(file)
        keys = {
            name: Key(each["kind"], each["required"], tuple(each["choices"]), each["value"])
            for name, each in content["keys"].items()
        }
        values = {name: content[name] for name in BuiltIn._fields if name != "keys"}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"installation is incomplete: {LIBRARY}/defaults.json: {error}", 3) from None
    return BuiltIn(keys=keys, **values)


def read_lines(path: str) -> list[str]:
    """Return a file's lines as a shell reads them, without NUL bytes; empty if the file cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            return file.read().replace("\0", "").split("\n")
    except OSError:
        return []


def parse_line(line: str, number: int, keys: dict[str, Key]) -> tuple[str, str] | Problem | None:
    """Return a line's key and value, or its problem, or None if it sets nothing."""
    line = line.strip(" \t")
    if line[:1] in {"#", ";"}:
        return None
    line = line.rstrip(" \t\r\n\v\f")
    if not line:
        return None
    name, has_value, value = line.partition("=")
    key = keys.get(name)
    if not has_value:
        return Problem(name if key else str(number), "has no =")
    if not key:
        return Problem(str(number), f'"{name}" is not a known key' if PRINTABLE.fullmatch(name) else UNPRINTABLE)
    if value[:1] in {'"', "'"}:
        if len(value) < 2 or value[-1] != value[0]:
            return Problem(name, "has an open quote")
        value = value[1:-1]
    value = value.replace('\\"', '"')
    reason = fault(key, value)
    return Problem(name, reason) if reason else (name, value)


def fault(key: Key, value: str) -> str:
    """Return the reason why a value is invalid for its key; empty if it is valid."""
    if not PRINTABLE.fullmatch(value):
        return UNPRINTABLE
    if not value:
        return "is empty" if key.required else ""
    if key.kind == "choice":
        *others, last = key.choices
        return "" if value in key.choices else f'"{value}" must be {", ".join(others)} or {last}'
    if key.is_file:
        # The value is not shown, because it may be the secret itself.
        return "" if value.startswith("/") else "must be an absolute path"
    is_right, reason, is_list = RULES.get(key.kind, ANYTHING)
    wrong = [part for part in (value.split() if is_list else [value]) if not is_right(part)]
    return f'"{wrong[0]}" {reason}' if wrong else ""


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
    return lambda text: re.fullmatch(pattern, text, re.ASCII) is not None


Rule = tuple[Callable[[str], bool], str, bool]
ANYTHING: Rule = (lambda _: True, "", False)
# For each kind of key: the test of a value, the reason if it fails, and whether the value is a list.
RULES: dict[str, Rule] = {
    "address": (is_ipv4, "is not an IPv4 address", False),
    "servers": (is_server, "is not an IPv4 address (with #port where it is not 53)", True),
    "datacenter": (_matches("[a-z0-9_-]+"), "may contain only lower-case letters, digits, - and _", False),
    "node-name": (_matches("[A-Za-z0-9][A-Za-z0-9-]*"), "may contain only letters, digits and -", False),
    "count": (_matches(r"\d{1,2}"), "must be a number from 0 to 99", False),
    "image": (_matches("[A-Za-z0-9._:/@][A-Za-z0-9._:/@-]*"), "is not the name of an image", False),
    "bridges": (_matches(r"[A-Za-z0-9_.-]{1,15}\*?"), "is not the name of an interface", True),
}
