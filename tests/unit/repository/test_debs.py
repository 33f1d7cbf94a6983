"""A deb read without dpkg says what dpkg says of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from debian.deb822 import Deb822

from consul_docker_host.backends.nfpm import NfpmBackend
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.package.plan import Plan
from consul_docker_host.prove.bench_repository import write_deb
from consul_docker_host.repository.debs import read_deb


def test_the_control_file_is_as_dpkg_reads_it(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "consul-docker-host_0.1.0_all.deb"
    NfpmBackend().build(plan, "deb", path)
    item = read_deb(path, "pool/x.deb")
    stanza = Deb822(item.texts[0])
    wanted = Deb822(run(["dpkg-deb", "--field", str(path)]).stdout)
    assert {name: stanza[name] for name in wanted} == dict(wanted)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    own = {"Filename": "pool/x.deb", "Size": str(path.stat().st_size), "SHA256": digest}
    assert {name: stanza[name] for name in stanza if name not in wanted} == own
    assert (item.name, item.version, item.architecture) == ("consul-docker-host", "0.1.0", "all")
    assert item.sha256 == item.unsigned == digest


@pytest.mark.parametrize("compression", ["gzip", "xz", "none"])
def test_whatever_dpkg_packs_with_is_read(tmp_path: Path, compression: str) -> None:
    control = tmp_path / "tree" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text("Package: a\nVersion: 1:2-3\nArchitecture: amd64\nMaintainer: a <a@a>\nDescription: a\n")
    run(
        [
            "dpkg-deb",
            f"-Z{compression}",
            "--uniform-compression",
            "--build",
            str(control.parents[1]),
            str(tmp_path / "a.deb"),
        ]
    )
    item = read_deb(tmp_path / "a.deb", "a.deb")
    assert (item.name, item.version, item.architecture) == ("a", "1:2-3", "amd64")


def test_a_small_deb_of_the_benchmark_is_one_for_dpkg_too(tmp_path: Path) -> None:
    path = write_deb(tmp_path, "1.0")
    assert run(["dpkg-deb", "--field", str(path), "Package", "Version"]).stdout == "Package: bench\nVersion: 1.0\n"
    assert "usr/share/bench" in run(["dpkg-deb", "--contents", str(path)]).stdout


@pytest.mark.parametrize("data", [b"", b"no deb", b"!<arch>\n", b"!<arch>\n" + b"x" * 100])
def test_what_is_no_deb_is_told_with_its_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.deb").write_bytes(data)
    with pytest.raises(BuildError, match=r"/a\.deb: is not a deb\n"):
        read_deb(tmp_path / "a.deb", "a.deb")


def test_a_damaged_deb_is_told_with_its_name(tmp_path: Path) -> None:
    path = write_deb(tmp_path, "1.0")
    data = bytearray(path.read_bytes())
    data[160] ^= 255
    path.write_bytes(data)
    with pytest.raises(
        BuildError, match=r"(?s)bench_1\.0_all\.deb: its control file cannot be read: .*\n  it is damaged"
    ):
        read_deb(path, "a.deb")
