"""Disks: where the parts lie, that the same content gives the same numbers, and that real tools find them whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.image.bake import Root
from consul_docker_host.image.disk import ALIGNED, SECTOR, Layout, place_boot_files, plan_layout, write_disk
from consul_docker_host.image.request import Format, Request

EPOCH = 1_700_000_000
REQUEST = Request(
    suite="bookworm",
    architecture="amd64",
    format=Format.RAW,
    size=256 * ALIGNED,
    esp=64 * ALIGNED,
    packages=(),
    debs=(),
    preload=(),
    mirrors=(),
    is_bios=False,
)


def with_bios() -> Request:
    return dataclasses.replace(REQUEST, is_bios=True)


@pytest.mark.parametrize("request_", [REQUEST, with_bios()], ids=["UEFI", "BIOS too"])
def test_parts_follow_each_other_and_leave_room_for_both_tables(request_: Request) -> None:
    layout = plan_layout(request_, "a")
    assert layout.esp == layout.bios + ALIGNED
    assert layout.root == layout.esp + layout.esp_size
    assert layout.root + layout.root_size + ALIGNED == layout.size


def test_numbers_follow_from_the_content() -> None:
    assert plan_layout(REQUEST, "a") == plan_layout(REQUEST, "a")
    assert plan_layout(REQUEST, "a").root_id != plan_layout(REQUEST, "b").root_id
    assert len({plan_layout(REQUEST, "a").disk_id, plan_layout(REQUEST, "a").esp_id}) == 2


def small_root(folder: Path) -> Path:
    """Make a root that has what a disk takes from it, and nothing that boots."""
    for name in ("usr/lib/shim/shimx64.efi.signed", "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 1000)
    (folder / "etc").mkdir()
    return folder


def made(folder: Path, name: str) -> tuple[Path, Layout]:
    tree = small_root(folder / name)
    layout = plan_layout(REQUEST, "a")
    place_boot_files(Workspace(root=ROOT), tree, layout)
    raw = folder / f"{name}.raw"
    write_disk(REQUEST, Root(tree=tree, inside=tree), layout, raw, epoch=EPOCH)
    return raw, layout


def test_real_tools_find_the_disk_whole(tmp_path: Path) -> None:
    raw, layout = made(tmp_path, "one")
    table = json.loads(run(["sfdisk", "--json", str(raw)]).stdout)["partitiontable"]
    assert [part["start"] * SECTOR for part in table["partitions"]] == [layout.esp, layout.root]
    assert [part["uuid"] for part in table["partitions"]] == [layout.esp_id.upper(), layout.root_id.upper()]
    assert "No errors" in run(["sfdisk", "--verify", str(raw)]).output
    root, esp = tmp_path / "root.ext4", tmp_path / "esp.vfat"
    data = raw.read_bytes()
    root.write_bytes(data[layout.root : layout.root + layout.root_size])
    esp.write_bytes(data[layout.esp : layout.esp + layout.esp_size])
    run(["e2fsck", "-f", "-n", str(root)])
    run(["fsck.vfat", "-n", str(esp)])
    assert f"UUID={layout.root_id}" in run(["debugfs", "-R", "cat /etc/fstab", str(root)]).stdout
    assert layout.esp_uuid in run(["debugfs", "-R", "cat /etc/fstab", str(root)]).stdout
    assert layout.esp_uuid in run(["mdir", "-i", str(esp), "::/"]).stdout
    assert layout.root_id in run(["mtype", "-i", str(esp), "::/EFI/debian/grub.cfg"]).stdout
    loader = run(["mdir", "-b", "-i", str(esp), "::/EFI/BOOT"]).stdout.split()
    assert loader == ["::/EFI/BOOT/BOOTX64.EFI", "::/EFI/BOOT/grubx64.efi"]


def test_nothing_of_the_making_stays_beside_the_disk(tmp_path: Path) -> None:
    made(tmp_path, "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "one.raw"]
