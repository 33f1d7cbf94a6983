"""Read packaging/host-keys.toml: the keys of /etc/default/consul-docker-host, with their built-in values.

Only this module of the builder reads the table; pyinfra_deploy runs without the builder and reads it itself.
"""

from __future__ import annotations

import functools
import operator
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from consul_docker_host.core.workspace import ROOT
from consul_docker_host.settings.model import Settings

TABLE = ROOT / "packaging" / "host-keys.toml"
Kind = Literal[
    "address",
    "servers",
    "join",
    "datacenter",
    "node-name",
    "image",
    "bridges",
    "count",
    "choice",
    "text",
    "gossip-key-file",
    "certificate-file",
    "private-key-file",
    "token-file",
]


class HostKey(BaseModel):
    """One key of the host's settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    setting: str
    kind: Kind
    required: bool = False
    choices: tuple[str, ...] = ()
    separator: str = ""
    comment: str = ""

    def built_in(self, settings: Settings) -> str:
        """Return the settings' value in the notation of the host's file."""
        value = operator.attrgetter(self.setting)(settings)
        return self.separator.join(value) if self.separator else str(value)

    def line(self, value: str) -> str:
        """Return the key's line of the host's file; a value that may contain blanks is quoted."""
        return f'{self.name}="{value}"' if self.separator else f"{self.name}={value}"

    def rule(self) -> str:
        """Return the rule for the host's scripts: the key's kind, whether it must have a value, and its choices."""
        return " ".join((self.kind, "required" if self.required else "optional", *self.choices))


@functools.cache
def read_host_keys(path: Path = TABLE) -> tuple[HostKey, ...]:
    """Return the table's keys, in its order."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return TypeAdapter(tuple[HostKey, ...]).validate_python(tables["keys"])
