"""Define the keys of a host in an inventory with their defaults, and validate their values."""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pyinfra_deploy.repository import CHANNELS

PREFIX = "cdh_"
SECRETS_FOLDER = "/etc/consul-docker-host/secrets"
# The one table of the keys of /etc/default/consul-docker-host.
KEYS: tuple[dict[str, Any], ...] = tuple(
    tomllib.loads((Path(__file__).parents[1] / "packaging" / "host-keys.toml").read_text(encoding="utf-8"))["keys"]
)
# In an inventory a key has the same name in lower case, without "_file", because the file is on this machine; the
# exceptions are listed here.
OTHER_NAMES = {"RETRY_JOIN": "join"}


def name_in_inventory(key: str) -> str:
    """Return the host data that sets a key of /etc/default/consul-docker-host."""
    return PREFIX + OTHER_NAMES.get(key, key.lower().removesuffix("_file"))


# Host data -> key of /etc/default/consul-docker-host; the values of secrets are paths on this machine.
SECRETS = {name_in_inventory(key["name"]): key["name"] for key in KEYS if key["kind"].endswith("-file")}
SETTINGS = {name_in_inventory(key["name"]): key["name"] for key in KEYS if not key["kind"].endswith("-file")}
PUBLIC = tuple(name_in_inventory(key["name"]) for key in KEYS if key["kind"] == "certificate-file")
GOSSIP_KEYS = tuple(name_in_inventory(key["name"]) for key in KEYS if key["kind"] == "gossip-key-file")
# Base64 of 16, 24 or 32 bytes.
GOSSIP_KEY = re.compile(rb"\s*([A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{32}|[A-Za-z0-9+/]{43}=)\s*")
DEFAULTS: dict[str, Any] = {
    **dict.fromkeys((*SETTINGS, *SECRETS), ""),
    "cdh_role": "client",
    "cdh_packages": "dist",  # the directory with the local packages, used without a repository
    "cdh_version": "",  # required with a repository; a local package's name contains its version
    "cdh_repository_url": "",
    "cdh_repository_key": "",  # a local file: the archive's public key
    "cdh_channel": "stable",
    "cdh_extra_packages": (),  # installed in the same step, e.g. "docker.io" or "consul=1.22.7-1"
    "cdh_manager": "",  # deb or rpm; empty: rpm where dnf is installed
    "cdh_may_break": (),  # links of the check that may be broken without the host being unhealthy
    "cdh_patience": 90,  # seconds within which a host must become healthy
    "cdh_purge": False,  # whether a removal also removes the configuration files
}
CHOICES = {
    **{name_in_inventory(key["name"]): tuple(key["choices"]) for key in KEYS if key["kind"] == "choice"},
    "cdh_manager": ("", "deb", "rpm"),
    "cdh_channel": CHANNELS,
}
LINKS = (
    "settings", "link", "address", "guard", "consul", "api", "joined", "dns", "dnsmasq", "resolver",
    "environment", "docker", "registrator", "container",
)  # fmt: skip
LISTS = ("cdh_extra_packages", "cdh_may_break")


def text_of(value: object) -> str:
    """Return a value in the host's notation; cloud auto-join contains blanks, so ; separates its entries."""
    if isinstance(value, list | tuple):
        parts = [str(part) for part in value]
        return (";" if any("provider=" in part for part in parts) else " ").join(parts)
    return str(value)


def settings_lines(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the host's lines in a fixed order; keys without a value are left out, so the package's value applies."""
    own = [f'{key}="{text_of(data[name])}"' for name, key in SETTINGS.items() if data[name] not in ("", (), [], None)]
    return (*own, *(f"{SECRETS[name]}={secret_target(name)}" for name in SECRETS if data[name]))


def secret_target(name: str) -> str:
    """Return the path of a secret on the host."""
    return f"{SECRETS_FOLDER}/{name.removeprefix(PREFIX)}"


def secret_text(path: Path) -> str:
    """Return a secret as it is written to the host, with exactly one line end at its end."""
    return path.read_text(encoding="utf-8").rstrip("\n") + "\n"


def mistakes(host: str, given: Mapping[str, Any]) -> list[str]:
    """Return every mistake in a host's data, one per line: host, key, reason."""
    own = {name: value for name, value in given.items() if name.startswith(PREFIX)}
    data = DEFAULTS | own
    faults = [(name, unknown(name)) for name in own if name not in DEFAULTS]
    faults += [*value_mistakes(data), *repository_mistakes(data)]
    for name in SECRETS:
        faults += file_mistakes(name, data[name], public=name in PUBLIC)
    trio = [name for name in ("cdh_ca", "cdh_cert", "cdh_key") if data[name]]
    if len(trio) in (1, 2):
        faults.append((trio[0], "set all of cdh_ca, cdh_cert and cdh_key, or none of them"))
    return [f"{host}: {name}: {reason}" for name, reason in faults]


def value_mistakes(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the mistakes in values that are not files."""
    for name, choices in CHOICES.items():
        if data[name] not in (*choices, DEFAULTS[name]):
            yield name, f"{data[name]!r} is not valid; use {', '.join(choice for choice in choices if choice)}"
    for name in SETTINGS:
        if any(sign in text_of(data[name]) for sign in '"\n\\'):
            yield name, "contains a quote, a backslash or a line break"
    for name in LISTS:
        if isinstance(data[name], str):
            yield name, f"{data[name]!r} is a string; write a list: [{data[name]!r}]"
    unknown_links = [link for link in data["cdh_may_break"] if link not in LINKS]
    if unknown_links and not isinstance(data["cdh_may_break"], str):
        yield (
            "cdh_may_break",
            f"{', '.join(map(repr, unknown_links))}: is not a link of the check; known: {', '.join(LINKS)}",
        )
    patience = data["cdh_patience"]
    if not isinstance(patience, int) or isinstance(patience, bool) or patience < 1:
        yield "cdh_patience", f"{patience!r} is not a number of seconds"


def repository_mistakes(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the mistakes in the keys that a repository needs beside its address."""
    if data["cdh_repository_url"]:
        for name in ("cdh_version", "cdh_repository_key"):
            if not data[name]:
                yield name, "is needed with cdh_repository_url"
        yield from file_mistakes("cdh_repository_key", data["cdh_repository_key"], public=True)


def unknown(name: str) -> str:
    """Return the reason for an unknown key, with the nearest known one."""
    near = difflib.get_close_matches(name, DEFAULTS, n=1, cutoff=0.5)
    return f"unknown key; did you mean {near[0]}?" if near else "unknown key; pyinfra_deploy/data.py lists them all"


def file_mistakes(name: str, value: object, *, public: bool) -> list[tuple[str, str]]:
    """Return the fault of a local file that a key names, without its content."""
    path = Path(str(value))
    if not value:
        reason = ""
    elif not path.is_file():
        reason = "no such file"
    elif not os.access(path, os.R_OK):
        reason = "cannot be read"
    elif not path.stat().st_size:
        reason = "is empty"
    elif not public and path.stat().st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        reason = f"other users can read it; run: chmod 0600 {path}"
    elif name in GOSSIP_KEYS and not GOSSIP_KEY.fullmatch(path.read_bytes()):
        reason = "does not contain a key as `consul keygen` prints it"
    else:
        reason = ""
    return [(name, f"{path}: {reason}")] if reason else []
