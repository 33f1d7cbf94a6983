"""Write a disk from a root: GPT, EFI system partition, root file system; without a loop device or a mount.

mkfs.ext4 writes the root file system from the tree at its offset in the disk, and mtools fills the EFI system
partition. All IDs are derived from the content, so the same root gets the same IDs.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

import jinja2

from consul_docker_host.core.report import stage
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.image.bake import WITH_US, Root
from consul_docker_host.image.request import ImageFormat, Request

SECTOR = 512
ALIGNED = 1 << 20
NAMES = uuid.UUID("4a4f1f2e-5d1c-4b8b-9f43-9a2c3b1f7d10")  # our namespace for IDs that are derived from a content
EFI_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
BIOS_TYPE = "21686148-6449-6E6F-744E-656564454649"
ROOT_TYPES = {"amd64": "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "arm64": "B921B045-1DF0-41C3-AF44-4C6F280D3FAE"}
# Architecture -> the firmware's name for it, and Debian's names for GRUB's platform and for shim.
EFI_NAMES = {"amd64": ("X64", "x86_64", "x64"), "arm64": ("AA64", "arm64", "aa64")}
DISK_SECONDS = 900.0
LEAD = "search --no-floppy --fs-uuid --set=root {}\nset prefix=($root)/boot/grub\n"
BIOS_MODULES = "biosdisk part_gpt ext2 search search_fs_uuid linux normal configfile serial terminal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The offsets and sizes of a disk's partitions in bytes, and their IDs."""

    size: int
    bios: int
    esp: int
    esp_size: int
    root: int
    disk_id: str
    esp_id: str
    root_id: str

    @property
    def root_size(self) -> int:
        """The root partition's size; the last MiB has the second GPT."""
        return self.size - ALIGNED - self.root

    @property
    def esp_uuid(self) -> str:
        """The EFI system partition's ID in fstab."""
        digits = self.esp_id.replace("-", "")[:8].upper()
        return f"{digits[:4]}-{digits[4:]}"


def plan_layout(request: Request, digest: str) -> Layout:
    """Return the layout of a disk whose content has this digest."""
    esp = 2 * ALIGNED if request.is_bios else ALIGNED
    names = (str(uuid.uuid5(NAMES, f"{part} {digest}")) for part in ("disk", "esp", "root"))
    disk_id, esp_id, root_id = names
    return Layout(
        size=request.size,
        bios=ALIGNED if request.is_bios else 0,
        esp=esp,
        esp_size=request.esp,
        root=esp + request.esp,
        disk_id=disk_id,
        esp_id=esp_id,
        root_id=root_id,
    )


def place_boot_files(work: Workspace, tree: Path, layout: Layout) -> None:
    """Write the boot loader's configuration and fstab into the root."""
    images = work.packaging / "images"
    variables = {"root_uuid": layout.root_id, "esp_uuid": layout.esp_uuid, "title": "consul-docker-host"}
    for template, path in (("grub.cfg.j2", "boot/grub/grub.cfg"), ("fstab.j2", "etc/fstab")):
        text = jinja2.Template(
            (images / template).read_text(encoding="utf-8"),
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=True,
        ).render(variables)
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    (tree / "boot/efi").mkdir(mode=0o700, exist_ok=True)


def write_disk(request: Request, root: Root, layout: Layout, raw: Path, *, epoch: int) -> None:
    """Write the root as a raw disk."""
    with raw.open("wb") as file:
        file.truncate(layout.size)
    write_table(request, layout, raw)
    write_esp(request, root.tree, layout, raw, epoch=epoch)
    if request.is_bios:
        write_bios(root, layout, raw)
    place = f"offset={layout.root}"
    argv = [*WITH_US, "mkfs.ext4", "-q", "-F", "-U", layout.root_id, "-L", "root", "-d", str(root.tree), "-E"]
    extended = f"{place},hash_seed={layout.root_id},lazy_itable_init=1"
    environment = {"SOURCE_DATE_EPOCH": str(epoch), "E2FSPROGS_FAKE_TIME": str(epoch)}
    with stage("writing the root file system"):
        run([*argv, extended, str(raw), f"{layout.root_size // 1024}k"], timeout=DISK_SECONDS, env=environment)


def write_table(request: Request, layout: Layout, raw: Path) -> None:
    """Write the GPT."""
    parts = [(layout.esp, layout.esp_size, EFI_TYPE, layout.esp_id, "EFI")]
    parts += [(layout.root, layout.root_size, ROOT_TYPES[request.architecture], layout.root_id, "root")]
    if layout.bios:
        # It is last in the table and first on the disk: the root must be number 2, where growpart looks for it.
        named = str(uuid.uuid5(NAMES, f"bios {layout.disk_id}"))
        parts.append((layout.bios, ALIGNED, BIOS_TYPE, named, "BIOS"))
    lines = [f"label: gpt\nlabel-id: {layout.disk_id}\nfirst-lba: 34"]
    lines += [
        f'start={start // SECTOR}, size={size // SECTOR}, type={type_id}, uuid={uuid_}, name="{name}"'
        for start, size, type_id, uuid_, name in parts
    ]
    run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(raw)], stdin="\n".join(lines) + "\n")


def write_esp(request: Request, tree: Path, layout: Layout, raw: Path, *, epoch: int) -> None:
    """Fill the EFI system partition: the signed loaders where every firmware looks, and their path to the root."""
    firmware, platform, short = EFI_NAMES[request.architecture]
    esp = raw.with_suffix(".esp")
    lead = f"{LEAD.format(layout.root_id)}configfile $prefix/grub.cfg\n"
    config = raw.with_suffix(".cfg")
    config.write_text(lead, encoding="ascii")
    sources = {
        f"EFI/BOOT/BOOT{firmware}.EFI": tree / f"usr/lib/shim/shim{short}.efi.signed",
        f"EFI/BOOT/grub{short}.efi": tree / f"usr/lib/grub/{platform}-efi-signed/grub{short}.efi.signed",
        "EFI/debian/grub.cfg": config,
    }
    named = layout.esp_uuid.replace("-", "")
    environment = {"SOURCE_DATE_EPOCH": str(epoch), "MTOOLS_SKIP_CHECK": "1"}
    try:
        blocks = str(layout.esp_size // 1024)
        run(["mkfs.vfat", "-C", "-F", "32", "-n", "EFI", "-i", named, str(esp), blocks], env=environment)
        run(["mmd", "-i", str(esp), "::/EFI", "::/EFI/BOOT", "::/EFI/debian"], env=environment)
        for target, source in sources.items():
            run(["mcopy", "-i", str(esp), str(source), f"::/{target}"], env=environment)
        copy_in(esp, raw, layout.esp)
    finally:
        esp.unlink(missing_ok=True)
        config.unlink(missing_ok=True)


def copy_in(source: Path, raw: Path, offset: int) -> None:
    """Copy a file into the disk at an offset; blocks of zeros stay sparse."""
    with source.open("rb") as part, raw.open("r+b") as disk:
        while chunk := part.read(ALIGNED):
            if chunk.strip(b"\0"):
                disk.seek(offset)
                disk.write(chunk)
            offset += len(chunk)


def write_bios(root: Root, layout: Layout, raw: Path) -> None:
    """Write GRUB where a BIOS looks: its boot sector into the disk's first sector, the rest into its own partition.

    grub-install needs a block device, so its work is done here: it writes two numbers, which GRUB's boot.S and
    diskboot.S define.
    """
    tree = root.tree
    lead = tree / "var/tmp/lead.cfg"
    core = tree / "var/tmp/core.img"
    lead.write_text(
        f"search --no-floppy --fs-uuid --set=root {layout.root_id}\nset prefix=($root)/boot/grub\n", "ascii"
    )
    inside = [f"/{path.relative_to(tree)}" for path in (lead, core)]
    argv = ["grub-mkimage", "-O", "i386-pc", "-p", "/boot/grub", "-c", inside[0], "-o", inside[1]]
    try:
        run(root.command(*argv, *BIOS_MODULES.split()), timeout=DISK_SECONDS)
        image = bytearray(core.read_bytes())
        boot = bytearray((tree / "usr/lib/grub/i386-pc/boot.img").read_bytes())
    finally:
        lead.unlink(missing_ok=True)
        core.unlink(missing_ok=True)
    place = layout.bios // SECTOR
    sectors = -(-len(image) // SECTOR)
    # diskboot.S needs the first sector, the number of sectors and the memory segment of the rest.
    struct.pack_into("<QHH", image, SECTOR - 12, place + 1, sectors - 1, 0x820)
    # boot.S needs the core's first sector, and two no-ops: on a hard disk the drive that the BIOS passes is right.
    struct.pack_into("<Q", boot, 0x5C, place)
    boot[0x66:0x68] = b"\x90\x90"
    with raw.open("r+b") as disk:
        disk.write(boot[:440])
        disk.seek(layout.bios)
        disk.write(image)


def convert(raw: Path, target: Path, image_format: ImageFormat) -> None:
    """Write the disk in the requested format."""
    if image_format is ImageFormat.RAW:
        raw.replace(target)
        return
    with stage(f"writing {image_format}"):
        run([*WITH_US, "qemu-img", "convert", "-O", image_format.value, str(raw), str(target)], timeout=DISK_SECONDS)
