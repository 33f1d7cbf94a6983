"""What a snapshot of guests is known by, and which ones stay in the cache."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from consul_docker_host.core.locks import Lock
from tests.support.machines.disk import ROOM, Disk
from tests.support.machines.guest import Guest, Plan
from tests.support.machines.hosts import PACKAGE_PATH
from tests.support.machines.snapshot import KEPT, Scene, current_keys, prune, scene_key

VERSION = "QEMU emulator version 7.2.22"
KEYS = [f"{number:012x}" for number in range(KEPT + 2)]


def settle(guests: Sequence[Guest]) -> None:
    for guest in guests:
        guest.wait_for_boot()


def settle_longer(guests: Sequence[Guest]) -> None:
    for guest in guests:
        guest.wait_for_boot(seconds=900)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    disk = Disk(root=tmp_path / "root.img", kernel=tmp_path / "vmlinuz", initrd=tmp_path / "initrd")
    for path in (disk.root, disk.kernel, disk.initrd):
        path.write_text("first")
    files: dict[str, str | bytes | Path] = {PACKAGE_PATH: b"package", "/etc/network/interfaces": "auto lo"}
    return Plan(name="host", number=1, disk=disk, files=files, links={})


def key(*plans: Plan, version: str = VERSION) -> str:
    return scene_key(Scene(name="scene", plans=plans, settle=settle), version=version)


def test_the_same_content_has_the_same_key(plan: Plan) -> None:
    assert key(plan) == key(dataclasses.replace(plan, files=dict(plan.files)))


def test_each_change_of_the_content_is_another_key(plan: Plan) -> None:
    other_root = dataclasses.replace(plan.disk, root=plan.disk.root.with_name("baked-0.img"))
    changes = {
        "as it is": key(plan),
        "QEMU": key(plan, version="QEMU emulator version 8.2.0"),
        "the package": key(dataclasses.replace(plan, files={**plan.files, PACKAGE_PATH: b"another"})),
        "the address": key(dataclasses.replace(plan, number=2)),
        "the name": key(dataclasses.replace(plan, name="other")),
        "the memory": key(dataclasses.replace(plan, memory="2048")),
        "a device": key(dataclasses.replace(plan, devices=("-device", "virtio-balloon"))),
        "the root": key(dataclasses.replace(plan, disk=other_root)),
        "a neighbour": key(plan, dataclasses.replace(plan, name="other", number=2)),
        "the step": scene_key(Scene(name="scene", plans=(plan,), settle=settle_longer), version=VERSION),
    }
    for path in (plan.disk.kernel, plan.disk.initrd):
        path.write_text("second")
        changes[path.name] = key(plan)
    assert len(set(changes.values())) == len(changes), changes


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache with more snapshots of one scene than are kept, and one of a scene whose name begins like it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    room = tmp_path / "consul-docker-host" / ROOM
    for age, name in enumerate((*(f"snapshot-pair-{key}" for key in KEYS), f"snapshot-pair-long-{KEYS[0]}")):
        (room / name).mkdir(parents=True)
        os.utime(room / name, (1_000_000 - age, 1_000_000 - age))
    (room / "debian-12-000000000000").mkdir()
    return room


def test_the_last_used_of_each_scene_are_kept(room: Path) -> None:
    kept = {f"snapshot-pair-{key}" for key in KEYS[:KEPT]} | {f"snapshot-pair-long-{KEYS[0]}"}
    assert current_keys() == kept
    prune("pair")
    assert {path.name for path in room.iterdir()} == {*kept, "debian-12-000000000000"}


def test_what_somebody_uses_is_not_removed(room: Path) -> None:
    used = room / f"snapshot-pair-{KEYS[-1]}"
    lock = Lock(used)
    lock.acquire(shared=True)
    prune("pair")
    assert used.exists()
    lock.release()
    prune("pair")
    assert not used.exists()
