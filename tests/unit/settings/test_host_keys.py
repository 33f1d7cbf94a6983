"""The table of the keys of a host: each leads to a setting, and each kind is one that the host checks."""

from __future__ import annotations

import re
import typing

import pytest

from consul_docker_host.core.workspace import ROOT
from consul_docker_host.settings.host_keys import HostKey, Kind, read_host_keys
from consul_docker_host.settings.load import load_settings
from tests.unit.kit import DEFAULTS, RICH

HOST = ROOT / "files" / "usr" / "lib" / "consul-docker-host"
# What these may hold is decided by Consul or Registrator.
UNCHECKED = {"join", "text"}


@pytest.mark.parametrize("key", read_host_keys(), ids=lambda key: key.name)
def test_each_key_leads_to_a_setting(key: HostKey) -> None:
    assert re.fullmatch(r"[A-Z][A-Z_]*", key.name)
    assert bool(key.choices) == (key.kind == "choice")
    # A file's name ends so that a reader knows it for one.
    assert key.kind.endswith("-file") == key.name.endswith("_FILE")
    built_in = key.built_in(load_settings(DEFAULTS))
    assert built_in or not key.required
    assert key.built_in(load_settings(DEFAULTS, RICH)) not in ("", built_in)


def test_no_key_stands_twice() -> None:
    names = [key.name for key in read_host_keys()]
    assert len(names) == len(set(names))


def test_the_table_uses_and_explains_every_kind() -> None:
    kinds = set(typing.get_args(Kind))
    assert {key.kind for key in read_host_keys()} == kinds
    header = (ROOT / "packaging" / "host-keys.toml").read_text(encoding="utf-8").partition("[[keys]]")[0]
    assert not [kind for kind in kinds if not re.search(rf"(^|[ ,]){kind}\b", header, re.MULTILINE)]


def test_the_host_checks_every_kind() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in sorted(HOST.glob("*.sh")))
    kinds = typing.get_args(Kind)
    files = {kind for kind in kinds if kind.endswith("-file")}
    # Shell asks of each file for an absolute path alone; what it contains is read in Python.
    assert {kind for kind in kinds if not re.search(rf"[ |]{kind}\)", scripts)} == UNCHECKED | files
    assert "*-file)" in scripts
    modules = ("settings", "secret_files")
    program = "".join((HOST / f"host_program/{name}.py").read_text(encoding="utf-8") for name in modules)
    # The last case of a file is a token; a choice and a file are no kinds of a rule of their own.
    assert {kind for kind in kinds if f'"{kind}"' not in program} == UNCHECKED | {"token-file"}
