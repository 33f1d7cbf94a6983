"""Existing images: where their root is, what is no such image, and a machine that cannot open one."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.image import foreign
from consul_docker_host.image.foreign import (
    Disk,
    Place,
    check_system,
    copy_disk,
    find_root,
    number_of,
    open_root,
    put_back,
)
from tests.unit.image.test_disk import REQUEST

MIB = 1 << 20
TABLE = """label: gpt
start=4096, size=2048, type=21686148-6449-6E6F-744E-656564454649
start=8192, size={size}, type={kind}
"""
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
EFI = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
BASE = Path("cloud.raw")
ELF = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", 2, 62)


def disk(folder: Path, *, kind: str = LINUX, mkfs: str = "mkfs.ext4") -> Path:
    """Make a disk of 64 MiB whose second partition has 40 MiB."""
    raw = folder / "cloud.raw"
    with raw.open("wb") as file:
        file.truncate(64 * MIB)
    run(["sfdisk", "--quiet", str(raw)], stdin=TABLE.format(size=40 * 2048, kind=kind))
    if mkfs:
        run([mkfs, "-q", "-F", "-E", f"offset={8192 * 512}", str(raw), "40960k"])
    return raw


def test_the_root_is_the_linux_partition(tmp_path: Path) -> None:
    assert find_root(BASE, disk(tmp_path)) == Place(number=2, start=8192 * 512, size=40 * MIB)


@pytest.mark.parametrize(
    ("kind", "mkfs", "said"),
    [
        (LINUX, "", r"its root \(partition 2\) is of an unknown type\n  only ext4"),
        (EFI, "", "has no Linux partition"),
    ],
)
def test_a_disk_without_a_root_that_is_understood_is_told(tmp_path: Path, kind: str, mkfs: str, said: str) -> None:
    with pytest.raises(BuildError, match=f"--base cloud.raw: {said}"):
        find_root(BASE, disk(tmp_path, kind=kind, mkfs=mkfs))


def test_a_file_without_a_table_is_told(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    file.write_text("no disk\n" * 1000)
    with pytest.raises(BuildError, match="has no partition table"):
        find_root(BASE, file)


def test_a_copy_grows_with_its_root_and_the_base_does_not(tmp_path: Path) -> None:
    base, copy = disk(tmp_path), tmp_path / "a,copy"
    before = base.read_bytes()
    made = copy_disk(base, copy, size=128 * MIB)
    assert (made.place.start, made.place.number, copy.stat().st_size) == (8192 * 512, 2, 128 * MIB)
    assert 120 * MIB < made.place.size < 124 * MIB
    assert 0 <= made.place.size - made.root.stat().st_size < 4096, "it fills its partition"
    run(["debugfs", "-w", "-R", f"write {__file__} witness", str(made.root)])
    put_back(made)
    assert base.read_bytes() == before
    run(["sfdisk", "--verify", str(copy)])
    assert "witness" in run(["debugfs", "-R", "ls", f"{copy}?offset={made.place.start}"]).stdout
    assert not made.root.exists()


def test_a_damaged_root_is_told(tmp_path: Path) -> None:
    base = disk(tmp_path)
    with base.open("r+b") as file:
        # Behind the superblock: the groups' descriptors and the first inodes.
        file.seek(8192 * 512 + 4096)
        file.write(b"\xa5" * (2 * MIB))
    with pytest.raises(BuildError, match="its root is damaged"):
        copy_disk(base, tmp_path / "copy", size=64 * MIB)


@pytest.mark.parametrize(
    ("node", "number"), [("disk.raw1", 1), ("/dev/nvme0n1p15", 15), ("image-13.0.disk2", 2), ("a1/b.raw14", 14)]
)
def test_a_partition_s_number_is_what_ends_its_name(node: str, number: int) -> None:
    assert number_of(node) == number


def test_a_system_that_is_not_debian_s_or_of_another_machine_is_told(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="has no dpkg"):
        check_system(REQUEST, tmp_path)
    program = tmp_path / "usr/bin/dpkg"
    program.parent.mkdir(parents=True)
    program.write_bytes(ELF[:18] + struct.pack("<H", 183))
    with pytest.raises(BuildError, match="is for arm64, but this machine is amd64"):
        check_system(REQUEST, tmp_path)
    program.write_bytes(ELF)
    with pytest.raises(BuildError, match="has no cloud-init"):
        check_system(REQUEST, tmp_path)
    (program.parent / "cloud-init").touch()
    check_system(REQUEST, tmp_path)


def test_without_loop_devices_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "LOOP_CONTROL", tmp_path / "none")
    none = Disk(raw=BASE, root=BASE, place=Place(number=1, start=MIB, size=MIB))
    with pytest.raises(BuildError, match="through a loop device\n  modprobe loop"), open_root(REQUEST, none, tmp_path):
        pass
