"""What may be asked of an image: each mistake is one line that names the option, before any work begins."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.image import request as requests
from consul_docker_host.image.request import ImageFormat, Request, check_machine, read_request, with_packages

DEB = b"!<arch>\n"


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    """Give a checkout in which the package was built."""
    (tmp_path / "packaging").mkdir()
    shutil.copytree(ROOT / "packaging" / "images", tmp_path / "packaging" / "images")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "consul-docker-host_0.1.0_all.deb").write_bytes(DEB)
    (tmp_path / "consul_1_amd64.deb").write_bytes(DEB)
    (tmp_path / "registrator.tar").touch()
    return Workspace(root=tmp_path)


def asked(work: Workspace, **options: Any) -> Request:
    usual: dict[str, Any] = {
        "suite": "bookworm",
        "kind": "qcow2",
        "size": "",
        "given": f"consul={work.root / 'consul_1_amd64.deb'}",
        "preload": [],
        "mirror": "",
        "is_bios": False,
    }
    request = read_request(work, **usual | {name: value for name, value in options.items() if name != "pack"})
    return with_packages(work, request, options.get("pack", Path))


def test_an_image_has_what_the_suite_needs_and_our_package_last(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    one = asked(work, suite="trixie", size="8G", is_bios=True)
    assert {"docker-cli", "grub-efi-amd64-signed", "grub-pc-bin", "cloud-init"} <= set(one.packages)
    assert [path.name for path in one.debs] == ["consul_1_amd64.deb", "consul-docker-host_0.1.0_all.deb"]
    assert (one.size, one.format, one.stem) == (8 << 30, ImageFormat.QCOW2, "consul-docker-host-0.1.0-trixie-amd64")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"suite": "bookwrm"}, "--suite bookwrm: unknown suite\n  known: bookworm, trixie; did you mean bookworm?"),
        ({"kind": "vmdk"}, "--format vmdk: unknown\n  known: raw, qcow2, tar"),
        ({"size": "big"}, "--size big: must be between 2G and 9999G"),
        ({"size": "1G"}, "--size 1G: must be between 2G and 9999G"),
        ({"given": "consul"}, "--with consul: is not consul=FILE"),
        ({"given": "docker=x"}, "--with docker=x: is not consul=FILE"),
        ({"given": "consul=/nowhere.deb"}, "--with /nowhere.deb: no such file"),
        ({"preload": ["/nowhere.tar"]}, "--preload /nowhere.tar: no such file"),
        ({"base": "/nowhere.raw", "suite": ""}, "--base /nowhere.raw: no such file"),
        ({"base": "x.raw"}, "--suite: cannot be combined with --base"),
        (
            {"base": "x.raw", "mirror": "http://x", "is_bios": True},
            "--suite, --mirror, --bios: cannot be combined with --base",
        ),
    ],
)
def test_each_mistake_is_named_with_what_would_do(work: Workspace, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BuildError) as caught:
        asked(work, **options)
    assert str(caught.value).startswith(said)


def test_every_wrong_option_is_in_one_error(work: Workspace) -> None:
    wrong = {
        "base": "/nowhere.raw",
        "kind": "vmdk",
        "size": "big",
        "given": "consul,docker=x",
        "preload": ["/gone.tar"],
    }
    with pytest.raises(BuildError) as caught:
        asked(work, **wrong)
    assert [line.partition(": ")[0] for line in str(caught.value).splitlines() if line.startswith("-")] == [
        "--suite",
        "--base /nowhere.raw",
        "--format vmdk",
        "--size big",
        "--with consul",
        "--with docker=x",
        "--preload /gone.tar",
    ]


def test_a_machine_lacks_several_things_at_once(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(work)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(requests, "find_program", lambda _: None)
    monkeypatch.setattr(requests, "ROOM", 1 << 62)
    with pytest.raises(BuildError, match=r"(?s)needs root.*\nnot installed: .*\nno space left: "):
        check_machine(request, work.root)


def test_archives_may_be_addresses_and_lines(work: Workspace) -> None:
    assert asked(work).mirrors == ()
    line = "deb http://mirror.example/debian-security bookworm-security main"
    assert asked(work, mirror=f"http://mirror.example/debian, {line}").mirrors == ("http://mirror.example/debian", line)


def test_an_existing_image_grows_to_what_is_asked_for_and_never_shrinks(work: Workspace) -> None:
    base = work.root / "cloud.raw"
    with base.open("wb") as file:
        file.truncate(5 << 30)
    one = asked(work, suite="", base=str(base))
    assert (one.size, one.base, one.stem) == (5 << 30, base, "consul-docker-host-0.1.0-cloud")
    assert asked(work, suite="", base=str(base), size="8G").size == 8 << 30
    with pytest.raises(BuildError, match=r"--size 4G: cloud\.raw has 5\.0 GiB, and an image can only grow"):
        asked(work, suite="", base=str(base), size="4G")
    base.write_bytes(b"")
    with pytest.raises(BuildError, match=r"cloud\.raw: is not a disk image: empty"):
        asked(work, suite="", base=str(base))


def test_a_file_that_is_no_package_and_two_of_one_name_are_refused(work: Workspace) -> None:
    text, other = work.root / "consul", work.root / "other"
    text.write_text("#!/bin/sh\n")
    other.mkdir()
    (other / "registrator.tar").touch()
    with pytest.raises(BuildError, match="is neither a Debian package nor a program"):
        asked(work, given=f"consul={text}")
    with pytest.raises(BuildError, match=r"registrator\.tar is given twice"):
        asked(work, preload=[str(work.root / "registrator.tar"), str(other / "registrator.tar")])


def test_a_program_is_packed_and_a_package_is_taken_as_it_is(work: Workspace) -> None:
    program, deb = work.root / "consul", work.root / "consul.deb"
    program.write_bytes(b"\x7fELF rest")
    deb.write_bytes(b"!<arch>\nrest")
    packed: list[Path] = []

    def pack(path: Path) -> Path:
        packed.append(path)
        return deb

    assert asked(work, given=f"consul={program}", pack=pack).debs[0] == deb
    assert asked(work, given=f"consul={deb}", pack=pack).debs[0] == deb
    assert packed == [program]


def test_without_the_package_it_is_told_how_to_make_it(work: Workspace) -> None:
    (work.dist / "consul-docker-host_0.1.0_all.deb").unlink()
    with pytest.raises(BuildError, match=r"inv build"):
        asked(work)


def test_a_machine_that_cannot_make_it_says_why(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    one = asked(work)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BuildError, match=r"needs root: its files belong to root\n  run: sudo"):
        check_machine(one, work.root)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requests, "find_program", lambda name: None if name == "mcopy" else Path(name))
    with pytest.raises(BuildError, match=r"not installed: mtools\n  apt-get install mtools"):
        check_machine(one, work.root)
    monkeypatch.setattr(requests, "find_program", Path)
    monkeypatch.setattr(requests, "ROOM", 1 << 60)
    with pytest.raises(BuildError, match="no space left"):
        check_machine(one, work.root)


def test_a_tar_needs_no_tools_of_disks(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requests, "find_program", lambda name: None if name in requests.DISK_TOOLS else Path(name))
    check_machine(asked(work, kind="tar"), work.root)
