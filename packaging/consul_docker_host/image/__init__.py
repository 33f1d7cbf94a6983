"""Build a disk image in dist/images/ from a request: root, packages, disk, manifest, boot test."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from consul_docker_host.core.locks import Lock
from consul_docker_host.core.report import say, stage, table
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.image.bake import WITH_US, Root, clamp_times, fill_root
from consul_docker_host.image.bootstrap import base_key, base_of, lay_over
from consul_docker_host.image.disk import convert, place_boot_files, plan_layout, write_disk
from consul_docker_host.image.foreign import Disk, copy_disk, open_root, put_back
from consul_docker_host.image.manifest import Manifest, digest_of, read_tree, spdx
from consul_docker_host.image.proof import check_emulator, prove
from consul_docker_host.image.request import ImageFormat, Request, check_machine
from consul_docker_host.package.changelog import read_changelog, source_date_epoch

SCRATCH = ".making-"
TAR_SECONDS = 600.0


def make_image(work: Workspace, request: Request, *, fresh: bool, has_proof: bool, is_emulated: bool) -> Path:
    """Build the image with its manifest and SPDX document in dist/images/ and return its path.

    Its files appear in dist/images/ only when all of them are complete and the boot test has succeeded.
    """
    folder = work.dist / "images"
    with scratch_folder(folder) as scratch:
        check_machine(request, folder)
        has_proof = has_proof and request.format is not ImageFormat.TAR
        if has_proof:
            check_emulator(request.architecture)
        begin = time.monotonic()
        epoch = source_date_epoch(read_changelog(work.root / "CHANGELOG.md"))
        image = scratch / f"{request.stem}.{request.format}"
        if request.base is None:
            with base_of(request, epoch=epoch, fresh=fresh) as base, lay_over(base, scratch / "opened") as root:
                from_base = time.monotonic()
                fill_root(work, request, root, epoch=epoch)
                made = write_image(work, request, root, image, inputs=inputs_of(request), epoch=epoch)
        else:
            disk = copy_disk(request.base, image.with_suffix(".disk"), size=request.size)
            from_base = time.monotonic()
            made = fill_image(work, request, disk, image, epoch=epoch)
        written = time.monotonic()
        if has_proof:
            prove(work, request, image, scratch=scratch, is_emulated=is_emulated)
        targets = place_image(folder, image, made, epoch=epoch)
    for line in table(
        ("made", "size", ""), [(str(path.relative_to(work.root)), size_of(path), "") for path in targets]
    ):
        say(line.rstrip())
    say(f"base {from_base - begin:.1f} s, image {written - from_base:.1f} s, content {made.digest[:16]}")
    return targets[0]


def write_image(
    work: Workspace, request: Request, root: Root, image: Path, *, inputs: dict[str, str], epoch: int
) -> Manifest:
    """Write the root in the requested format and return its manifest."""
    if request.format is ImageFormat.TAR:
        clamp_times(root.tree, epoch)
        made = hash_tree(root.tree, inputs)
        write_tar(root.tree, image)
        return made
    # The root contains the IDs of the disk's partitions, so they are derived from the root's inputs.
    layout = plan_layout(request, hashlib.sha256(repr(sorted(inputs.items())).encode()).hexdigest())
    place_boot_files(work, root.tree, layout)
    clamp_times(root.tree, epoch)
    made = hash_tree(root.tree, inputs)
    raw = image.with_suffix(".disk")
    write_disk(request, root, layout, raw, epoch=epoch)
    convert(raw, image, request.format)
    raw.unlink(missing_ok=True)
    return made


def fill_image(work: Workspace, request: Request, disk: Disk, image: Path, *, epoch: int) -> Manifest:
    """Put the packages into a copy of an existing image's disk and return the manifest of its root."""
    with open_root(request, disk, image.parent) as root:
        fill_root(work, request, root, epoch=epoch)
        clamp_times(root.tree, epoch)
        made = hash_tree(root.tree, inputs_of(request))
        if request.format is ImageFormat.TAR:
            write_tar(root.tree, image)
    if request.format is not ImageFormat.TAR:
        with stage("writing the root back"):
            put_back(disk)
        convert(disk.raw, image, request.format)
    disk.raw.unlink(missing_ok=True)
    return made


def hash_tree(tree: Path, inputs: dict[str, str]) -> Manifest:
    """Return the manifest of a root."""
    with stage("hashing every file"):
        return read_tree(tree, inputs)


def write_tar(tree: Path, image: Path) -> None:
    """Write a root as a tar."""
    argv = [*WITH_US, "tar", "--create", "--sort=name", "--xattrs", "--numeric-owner", "--file", str(image)]
    with stage("writing tar"):
        run([*argv, "--directory", str(tree), "."], timeout=TAR_SECONDS)


def inputs_of(request: Request) -> dict[str, str]:
    """Return the inputs of an image by name."""
    files = {path.name: path for path in (*request.debs, *request.preload)}
    digests = {f"file {name}": digest_of(path) for name, path in files.items()}
    return {
        "suite": request.suite,
        "architecture": request.architecture,
        "base": base_key(request) if request.base is None else digest_of(request.base),
        "boots": "as its base" if request.base else "BIOS and UEFI" if request.is_bios else "UEFI",
        "size": str(request.size),
        **digests,
    }


def place_image(folder: Path, image: Path, made: Manifest, *, epoch: int) -> tuple[Path, ...]:
    """Move the image and the files that describe it into dist/images/, the image last."""
    beside = image.parent
    (beside / f"{image.name}.manifest.json").write_text(made.text(), encoding="utf-8")
    (beside / f"{image.name}.spdx.json").write_text(spdx(made, image.name, epoch=epoch), encoding="utf-8")
    (beside / f"{image.name}.sha256").write_text(f"{digest_of(image)}  {image.name}\n", encoding="ascii")
    names = (image.name, *(f"{image.name}.{suffix}" for suffix in ("sha256", "manifest.json", "spdx.json")))
    for name in reversed(names):
        (beside / name).chmod(0o644)
        (beside / name).replace(folder / name)
    return tuple(folder / name for name in names)


def size_of(path: Path) -> str:
    """Return the space that a file occupies on the disk, in words."""
    size = path.stat().st_blocks * 512
    return f"{size / 2**20:.0f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary directory for one image, and remove those of killed runs first."""
    with Lock(
        folder / ".lock", busy=f"{folder}: another image is being made", hint="wait until it is finished", seconds=0
    ):
        for stale in folder.glob(f"{SCRATCH}*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder, ignore_cleanup_errors=True) as name:
            yield Path(name)
