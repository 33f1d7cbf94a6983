"""Open an existing cloud image as the root, without booting it: by a loop device in a mount namespace of its own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consul_docker_host.core.architectures import ARCHITECTURES, architecture_of
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import stage
from consul_docker_host.core.run import run
from consul_docker_host.image.bake import SCRIPTS, Root
from consul_docker_host.image.disk import DISK_SECONDS, ROOT_TYPES, SECTOR
from consul_docker_host.image.namespace import hold_root
from consul_docker_host.image.request import Request

# A partition without the type of a root may still have the general type for Linux, in a GPT or an MBR.
LINUX_TYPES = {*ROOT_TYPES.values(), "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "83"}
LOOP_CONTROL = Path("/dev/loop-control")
LOOP_HINT = "modprobe loop; a container needs the loop devices: --device /dev/loop-control and --device /dev/loop0 ..."
ENTER = SCRIPTS / "enter-foreign.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The root's partition in a disk: its number in the table, start and size in bytes."""

    number: int
    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A copy of the base as a raw disk, the root's partition in it, and the root's file system as a separate file."""

    raw: Path
    place: Place
    root: Path


def copy_disk(base: Path, raw: Path, *, size: int) -> Disk:
    """Write the base as a raw disk of ``size`` bytes, and grow its root."""
    with stage(f"copying {base.name}"):
        result = run(["qemu-img", "convert", "-O", "raw", str(base), str(raw)], timeout=DISK_SECONDS, check=False)
    if result.returncode:
        raise BuildError(f"--base {base}: cannot be read: {result.output.strip()}", hint="give a raw or qcow2 image")
    place = find_root(base, raw)
    if size > raw.stat().st_size:
        with raw.open("ab") as file:
            file.truncate(size)
        grow = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "-N", str(place.number), str(raw)]
        run(grow, stdin=", +\n")
        place = find_root(base, raw)
    return Disk(raw=raw, place=place, root=extract_root(base, raw, place))


def extract_root(base: Path, raw: Path, place: Place) -> Path:
    """Return the root's file system as a separate file, checked and grown to its partition.

    Growing a mounted file system needs a right that containers lack (CAP_SYS_RESOURCE), and resize2fs on the complete
    disk would cut it short.
    """
    part = raw.with_suffix(".root")
    with stage("growing the root"):
        run(["qemu-img", "convert", "-O", "raw", "--image-opts", within(raw, place), str(part)], timeout=DISK_SECONDS)
        check = run(["e2fsck", "-f", "-p", str(part)], timeout=DISK_SECONDS, check=False)
        if check.returncode > 1:
            raise BuildError(f"--base {base}: its root is damaged: {check.output.strip()}", hint="download it again")
        run(["resize2fs", str(part)], timeout=DISK_SECONDS)
    return part


def put_back(disk: Disk) -> None:
    """Write the root's file system back into its partition."""
    run(["e2fsck", "-f", "-p", str(disk.root)], timeout=DISK_SECONDS)
    argv = ["qemu-img", "convert", "-n", "-f", "raw", str(disk.root), "--target-image-opts"]
    run([*argv, within(disk.raw, disk.place)], timeout=DISK_SECONDS)
    disk.root.unlink()


def within(raw: Path, place: Place) -> str:
    """Return QEMU's options for a part of a disk."""
    # QEMU's options separate values by commas, so a comma in a file's name is doubled.
    name = str(raw).replace(",", ",,")
    return f"driver=raw,offset={place.start},size={place.size},file.driver=file,file.filename={name}"


def find_root(base: Path, raw: Path) -> Place:
    """Return the largest of the disk's Linux partitions, which must contain an ext4 file system."""
    listed = run(["sfdisk", "--json", str(raw)], check=False)
    if listed.returncode:
        raise BuildError(f"--base {base}: has no partition table", hint="give a disk image for clouds")
    parts: list[dict[str, Any]] = json.loads(listed.stdout)["partitiontable"].get("partitions", [])
    places = [
        Place(number=number_of(part["node"]), start=part["start"] * SECTOR, size=part["size"] * SECTOR)
        for part in parts
        if part["type"].upper() in LINUX_TYPES
    ]
    if not places:
        raise BuildError(f"--base {base}: has no Linux partition", hint="give a disk image for clouds")
    place = max(places, key=lambda place: place.size)
    probe = run(["blkid", "-p", "-O", str(place.start), "-s", "TYPE", "-o", "value", str(raw)], check=False)
    file_system = probe.stdout.strip()
    if file_system != "ext4":
        reason = f"its root (partition {place.number}) is {file_system or 'of an unknown type'}"
        raise BuildError(f"--base {base}: {reason}", hint="only ext4 is supported")
    return place


def number_of(node: str) -> int:
    """Return a partition's number from its device name."""
    return int(node[len(node.rstrip("0123456789")) :])


@contextlib.contextmanager
def open_root(request: Request, disk: Disk, scratch: Path) -> Iterator[Root]:
    """Yield the disk's root, and close it at the end."""
    if not LOOP_CONTROL.exists():
        raise BuildError(f"{LOOP_CONTROL} not found: an existing image is opened through a loop device", hint=LOOP_HINT)

    def refused(reason: str) -> BuildError:
        return BuildError(f"--base {request.base}: {reason}", hint=LOOP_HINT)

    with hold_root(
        SCRIPTS / "loop.sh", str(disk.root), folder=scratch / "opened", refused=refused, enter=ENTER
    ) as root:
        check_system(request, root.tree)
        yield root


def check_system(request: Request, tree: Path) -> None:
    """Raise BuildError unless the root is a system with dpkg and cloud-init for this architecture."""
    program = tree / "usr/bin/dpkg"
    if not program.exists():
        hint = "give an image of Debian or Ubuntu; for others see packaging/images/packer/"
        raise BuildError(f"--base {request.base}: has no dpkg", hint=hint)
    machine = architecture_of(program)
    if machine != request.architecture:
        supported = " and ".join(ARCHITECTURES.values())
        reason = f"is for {machine or 'another architecture'}, but this machine is {request.architecture}"
        hint = f"build it on a machine of its own architecture; supported: {supported}"
        raise BuildError(f"--base {request.base}: {reason}", hint=hint)
    if not (tree / "usr/bin/cloud-init").exists():
        hint = "give an image for clouds, which contains it"
        raise BuildError(f"--base {request.base}: has no cloud-init", hint=hint)
