"""A real Consul: the official release where its checksum is right, the sources where the site does not answer."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.prove import consul_binary
from consul_docker_host.prove.consul_binary import VERSION
from tests.unit.kit import fake_program

PROGRAM = f"#!/bin/sh\necho 'Consul v{VERSION}'\n".encode()


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        opened.writestr("consul", PROGRAM)
    return stream.getvalue()


def serving(monkeypatch: pytest.MonkeyPatch, sums: str) -> None:
    """Stand in for HashiCorp's site: every archive is the same one, the checksums are these."""

    def fetch(url: str, target: Path, **_: object) -> None:
        target.write_bytes(sums.encode() if url.endswith("SUMS") else archive())

    monkeypatch.setattr(consul_binary, "fetch", fetch)


def sums_line() -> str:
    name = f"consul_{VERSION}_linux_{consul_binary.architecture()}.zip"
    return f"{hashlib.sha256(archive()).hexdigest()}  {name}\n"


def test_the_release_is_taken_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, sums_line())
    program = consul_binary.consul_binary()
    assert program.read_bytes() == PROGRAM
    assert program.stat().st_mode & 0o777 == 0o755
    monkeypatch.setattr(consul_binary, "fetch", lambda *_, **__: pytest.fail("it is in the cache"))
    assert consul_binary.consul_binary() == program


@pytest.mark.parametrize("sums", ["", "0" * 64 + f"  consul_{VERSION}_linux_{consul_binary.architecture()}.zip\n"])
def test_an_archive_without_its_checksum_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sums: str) -> None:
    serving(monkeypatch, sums)
    with pytest.raises(BuildError, match=r"has no line for|its SHA-256 is"):
        consul_binary.fetch_release(VERSION, tmp_path / "consul")
    assert not (tmp_path / "consul").exists()


def test_where_the_site_does_not_answer_it_is_built_from_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    def build_program(_: Path, package: str, target: Path) -> None:
        assert package == "github.com/hashicorp/consul"
        target.write_bytes(PROGRAM)

    monkeypatch.setattr(consul_binary, "fetch", unreachable)
    monkeypatch.setattr(consul_binary, "build_program", build_program)
    assert consul_binary.consul_binary().read_bytes() == PROGRAM


def test_a_version_that_is_not_pinned_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"does not pin Consul 1\.0\.0"):
        consul_binary.build_from_source("1.0.0", tmp_path / "consul")


def test_a_program_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=rf"not Consul {VERSION}"):
        consul_binary.check_version(fake_program(tmp_path, "consul", "echo 'Consul v0.1'"), VERSION)
