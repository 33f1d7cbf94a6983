"""Guests that start where an earlier one ended: booted once, settled, saved as they ran, and resumed from then on.

A scene is one guest, or several that know each other, and the step that brings them to where a story begins. The key
of its snapshot is all that goes into it: QEMU and its arguments, kernel and disk, the files that make each guest itself
(the package and the container images among them), and the step's own text. So what is resumed is what a boot would
bring, and a scene whose package has changed boots again.

A snapshot's folder needs nothing but itself. Its memory has been written with the processors halted, so its disk is of
the same moment; whoever resumes it writes to a layer of his own. What it cannot know, `refresh.py` gives to each guest
before its story begins: the time, random numbers, a lease.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core import run
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.report import say
from consul_docker_host.core.workspace import cache_folder, cache_path, content_key, file_digest
from tests.support.machines import hosts, refresh
from tests.support.machines.disk import ROOM, Disk
from tests.support.machines.guest import CONSOLE, OVERLAY, PROGRAM, Guest, Plan, new_guest
from tests.support.machines.lan import Lan
from tests.support.speed import scaled

KEPT = 2  # of each scene, the last used
PREFIX = "snapshot-"
STATE = "state"
# The file system below a guest's overlay, kernel and initrd, as its folder in the snapshot names them.
ROOT, KERNEL, INITRD = "root.img", "vmlinuz", "initrd"
NAME = re.compile(rf"{PREFIX}(?P<scene>.+)-[0-9a-f]{{12}}")
ENTROPY_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Guests, and what is done with them when they were switched on a moment ago: it ends where the story begins."""

    name: str
    plans: tuple[Plan, ...]
    settle: Callable[[Sequence[Guest]], object]


def scene_key(scene: Scene, *, version: str) -> str:
    """Return the key of all that goes into a snapshot; ``version`` is what QEMU says of itself."""
    parts: list[bytes | str] = [version, inspect.getsource(scene.settle), inspect.getsource(hosts)]
    for plan in scene.plans:
        # Where its files lie is no part of what it is.
        placed = dataclasses.replace(plan, disk=Disk(root=Path(ROOT), kernel=Path(KERNEL), initrd=Path(INITRD)))
        parts += [plan.name, *placed.command(Path(), netdev="lan")]
        # A plain root has its recipe's name, a baked one its package's; the initrd is another at each making.
        parts += [plan.disk.root.parent.name, plan.disk.root.name]
        parts += [file_digest(plan.disk.kernel), file_digest(plan.disk.initrd), plan.identity()]
    return content_key(parts)[:12]


def emulator_version() -> str:
    """Return what QEMU says of itself."""
    return run.run([PROGRAM, "--version"], hint="apt-get install qemu-system-x86").stdout


@contextlib.contextmanager
def resumed(scene: Scene, lan: Lan, folder: Path) -> Iterator[tuple[Guest, ...]]:
    """Give the scene's guests where the scene ends, in a folder of its own below ``folder``; none outlives the block.

    The first call for a scene, and each after a change of its content, boots and settles them.
    """
    name = f"{PREFIX}{scene.name}-{scene_key(scene, version=emulator_version())}"
    snapshot = cache_folder(ROOM) / name
    folder = Path(tempfile.mkdtemp(dir=folder))
    with contextlib.ExitStack() as stack:
        with Lock(snapshot.parent / f"{PREFIX}{scene.name}.lock", waiting=f"waiting for {name} ..."):
            if not snapshot.exists():
                begin = time.monotonic()
                make(scene, lan, folder, snapshot)
                say(f"{name}: made in {time.monotonic() - begin:.0f} s")
            os.utime(snapshot)
            # Who prunes leaves alone what is in use.
            in_use = Lock(snapshot)
            in_use.acquire(shared=True)
            stack.callback(in_use.release)
            prune(scene.name)
        guests = tuple(stack.enter_context(_paused(plan, lan, folder / plan.name, snapshot)) for plan in scene.plans)
        for guest in guests:
            guest.wait_for_state()
        # Together: to each other none of them was away.
        for guest in guests:
            guest.monitor.go_on()
        with ThreadPoolExecutor(max_workers=len(guests)) as pool:
            list(pool.map(renew, guests))
        yield guests


@contextlib.contextmanager
def _paused(plan: Plan, lan: Lan, folder: Path, snapshot: Path) -> Iterator[Guest]:
    saved = snapshot / plan.name
    own = dataclasses.replace(plan, disk=_disk_in(saved))
    guest = new_guest(own, lan, folder, disk=saved / OVERLAY, kind="qcow2")
    shutil.copyfile(saved / CONSOLE, folder / CONSOLE)
    try:
        guest.switch_on(state=saved / STATE)
        yield guest
    finally:
        guest.cut_power()


def _disk_in(saved: Path) -> Disk:
    return Disk(root=saved / ROOT, kernel=saved / KERNEL, initrd=saved / INITRD)


def renew(guest: Guest) -> None:
    """Give a resumed guest what its snapshot cannot have: this moment's time, random numbers of its own, its lease."""
    argv = ["python3", "-IBc", inspect.getsource(refresh)]
    result = guest.agent.run(argv, seconds=scaled(refresh.SECONDS), stdin=os.urandom(ENTROPY_BYTES))
    assert result.returncode == 0, f"{guest.name}: not refreshed\n{result.output}"


def make(scene: Scene, lan: Lan, folder: Path, snapshot: Path) -> None:
    """Boot the guests, settle them, and save them at one moment."""
    for stale in snapshot.parent.glob(f".{PREFIX}{scene.name}.*"):
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(prefix=f".{PREFIX}{scene.name}.", dir=snapshot.parent) as name:
        beside = Path(name, snapshot.name)
        with contextlib.ExitStack() as stack:
            guests = []
            for plan in scene.plans:
                _keep_disk(plan.disk, beside / plan.name)
                guest = new_guest(plan, lan, folder / f"{plan.name}-new", disk=plan.disk.root)
                stack.callback(guest.cut_power)
                guest.switch_on()
                guests.append(guest)
            scene.settle(guests)
            for guest in guests:
                guest.monitor.stop()
            with ThreadPoolExecutor(max_workers=len(guests)) as pool:
                list(pool.map(lambda guest: guest.monitor.save(beside / guest.name / STATE), guests))
        for guest in guests:
            _keep_layer(guest, beside / guest.name)
        beside.replace(snapshot)


def _keep_disk(disk: Disk, saved: Path) -> None:
    """Link what the overlay lies on, so that it lives as long as the snapshot."""
    saved.mkdir(parents=True)
    for path, kept in zip(dataclasses.astuple(disk), dataclasses.astuple(_disk_in(saved)), strict=True):
        kept.hardlink_to(path)


def _keep_layer(guest: Guest, saved: Path) -> None:
    shutil.move(guest.folder / OVERLAY, saved / OVERLAY)
    shutil.move(guest.folder / CONSOLE, saved / CONSOLE)
    # By its name alone, which is looked for beside the overlay.
    run.run(["qemu-img", "rebase", "-u", "-b", ROOT, "-F", "raw", str(saved / OVERLAY)])
    shutil.rmtree(guest.folder)


def snapshots(scene: str = "") -> list[Path]:
    """Return the snapshots in the cache, of one scene or of all, the last used first."""
    found = []
    for path in cache_path(ROOM).glob(f"{PREFIX}*"):
        match = NAME.fullmatch(path.name)
        if match and scene in {"", match["scene"]}:
            found.append(path)
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def current_keys() -> frozenset[str]:
    """Return the names of the snapshots to be kept: of each scene the last used ones."""
    scenes: dict[str, list[str]] = {}
    for path in snapshots():
        match = NAME.fullmatch(path.name)
        assert match is not None
        scenes.setdefault(match["scene"], []).append(path.name)
    return frozenset(name for names in scenes.values() for name in names[:KEPT])


def prune(scene: str) -> None:
    """Remove the scene's snapshots beyond the last used ones, unless somebody's guests run on them."""
    for path in snapshots(scene)[KEPT:]:
        lock = Lock(path)
        if lock.try_acquire():
            shutil.rmtree(path)
        lock.release()
