"""Ignition's configuration: every file of the tree where a host with a read-only /usr finds it."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from consul_docker_host.package.plan import Plan
from consul_docker_host.snippets.ignition import data_url, ignition, place_of

EXTENSION = "/var/lib/extensions/consul-docker-host"


@pytest.fixture(scope="module")
def config(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ignition(plan))
    return found


def content_of(file: dict[str, Any]) -> bytes:
    return gzip.decompress(base64.b64decode(file["contents"]["source"].partition("base64,")[2]))


def test_every_file_but_documentation_is_written_with_its_content_and_mode(config: dict[str, Any], plan: Plan) -> None:
    files = {file["path"]: file for file in config["storage"]["files"]}
    shipped = [entry for entry in plan.entries if not entry.path.startswith("usr/share/")]
    assert len(files) == len(shipped) + 1
    for entry in shipped:
        file = files[place_of(plan, entry)]
        assert content_of(file) == (plan.tree / entry.path).read_bytes(), entry.path
        assert (file["mode"], file["overwrite"]) == (entry.mode, True)


def test_nothing_is_written_below_usr(config: dict[str, Any]) -> None:
    paths = [file["path"] for file in config["storage"]["files"]]
    assert [path for path in paths if path.startswith(EXTENSION)]
    assert not [path for path in paths if path.startswith("/usr")]


def test_the_extension_is_accepted_by_any_system(config: dict[str, Any]) -> None:
    release = f"{EXTENSION}/usr/lib/extension-release.d/extension-release.consul-docker-host"
    (file,) = [file for file in config["storage"]["files"] if file["path"] == release]
    assert content_of(file) == b"ID=_any\n"


def test_services_wait_for_the_extension_that_brings_their_programs(config: dict[str, Any], plan: Plan) -> None:
    units = {unit["name"]: unit for unit in config["systemd"]["units"]}
    assert units["systemd-sysext.service"]["enabled"]
    assert units["consul-docker-host.target"]["enabled"]
    own = [entry.path.rpartition("/")[2] for entry in plan.entries if "/system/consul-docker" in entry.path]
    services = [name for name in own if name.endswith(".service")]
    assert services
    for name in services:
        (drop_in,) = units[name]["dropins"]
        assert "After=systemd-sysext.service" in drop_in["contents"].splitlines()


def test_the_same_content_gives_the_same_bytes() -> None:
    assert data_url(b"a" * 1000) == data_url(b"a" * 1000)
    assert data_url(b"a")["compression"] == "gzip"
