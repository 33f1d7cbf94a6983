"""Validates the request for an image, before any work begins."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from consul_docker_host.core.architectures import is_program, own_architecture
from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.core.run import find_program, run
from consul_docker_host.core.workspace import Workspace

SIZE = re.compile(r"([1-9][0-9]{0,3})G")
SUITE = "bookworm"
# Program -> the Debian package that has it.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "sfdisk": "fdisk",
    "qemu-img": "qemu-utils",
    "unshare": "util-linux",
}
# With an existing image nothing is bootstrapped, and no file system is made.
BASE_TOOLS = {
    "qemu-img": "qemu-utils",
    "sfdisk": "fdisk",
    "resize2fs": "e2fsprogs",
    "mcopy": "mtools",
    "nsenter": "util-linux",
}
DISK_TOOLS = ("mkfs.ext4", "mkfs.vfat", "mcopy", "sfdisk", "qemu-img")
Pack = Callable[[Path], Path]
# A root of Debian with a Docker engine, its disk, and what is written beside them.
ROOM = 6 << 30


class ImageFormat(StrEnum):
    """The kind of file that an image is."""

    RAW = "raw"
    QCOW2 = "qcow2"
    TAR = "tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A validated image request.

    ``packages`` come from the archive, ``debs`` from this disk, ``preload`` are container images. ``size`` is the
    disk's in bytes, ``esp`` that of the EFI system partition; ``mirrors`` are addresses,
    lines of sources.list, or such files. ``base`` is an existing image that the packages go into;
    without one the system is made of ``packages``.
    """

    suite: str
    architecture: str
    format: ImageFormat
    size: int
    esp: int
    packages: tuple[str, ...]
    debs: tuple[Path, ...]
    preload: tuple[Path, ...]
    mirrors: tuple[str, ...]
    is_bios: bool
    base: Path | None = None

    @property
    def stem(self) -> str:
        """The image's name without its kind."""
        own = self.debs[-1].name.removesuffix("_all.deb").replace("_", "-")
        return f"{own}-{self.base.stem}" if self.base else f"{own}-{self.suite}-{self.architecture}"


def read_request(  # noqa: PLR0913 - one for each option
    work: Workspace,
    *,
    suite: str,
    kind: str,
    size: str,
    given: str,
    preload: Sequence[str],
    mirror: str,
    is_bios: bool,
    base: str = "",
) -> Request:
    """Return the validated request, with the user's files alone; BuildError names every wrong option and its remedy."""
    known = tomllib.loads((work.packaging / "images" / "image.toml").read_text(encoding="utf-8"))
    found: Path | None = None
    mistakes = Mistakes()
    if base:
        with mistakes.collected():
            refuse_with_base({"--suite": suite, "--mirror": mirror, "--bios": is_bios})
        with mistakes.collected():
            found = find_file(base, "--base")
    suite = suite or SUITE
    with mistakes.collected():
        more = find_suite(known["suites"], suite)["more"]
    with mistakes.collected():
        image_format = find_format(kind)
    with mistakes.collected():
        architecture = image_architecture(is_bios=is_bios)
    with mistakes.collected():
        bytes_wanted = grown_size(found, size, known["size"]) if found else disk_size(size or known["size"])
    with mistakes.collected():
        debs = find_debs(given)
    with mistakes.collected():
        files = read_preload(preload)
    mistakes.refuse()
    packages = [*known["packages"], *more, *(["grub-pc-bin"] if is_bios else [])]
    return Request(
        suite=suite,
        architecture=architecture,
        format=image_format,
        size=bytes_wanted,
        esp=int(known["esp_mib"]) << 20,
        packages=tuple(package.replace("@arch@", architecture) for package in packages),
        debs=debs,
        preload=files,
        mirrors=tuple(part.strip() for part in mirror.split(",") if part.strip()),
        is_bios=is_bios,
        base=found,
    )


def with_packages(work: Workspace, request: Request, pack: Pack) -> Request:
    """Return the request with the package that was built last; ``pack`` makes a deb of each program of the user's."""
    given = (pack(file) if is_program(file) else file for file in request.debs)
    return replace(request, debs=(*given, own_deb(work)))


def refuse_with_base(options: Mapping[str, object]) -> None:
    """Refuse what is said of a system that is to be made, where one is there."""
    said = [name for name, value in options.items() if value]
    if said:
        raise BuildError(f"{', '.join(said)}: cannot be combined with --base, which already provides the system")


def grown_size(base: Path, size: str, least: str) -> int:
    """Return the size in bytes of a disk that an existing image grows to."""
    if find_program("qemu-img") is None:
        raise BuildError("not installed: qemu-utils", hint="apt-get install qemu-utils")
    told = run(["qemu-img", "info", "--output=json", str(base)], check=False)
    own = int(json.loads(told.stdout)["virtual-size"]) if told.returncode == 0 else 0
    if not own:
        raise BuildError(f"--base {base}: is not a disk image: {told.stderr.strip() or 'empty'}", hint="raw or qcow2")
    if not size:
        return max(disk_size(least), -(-own >> 30) << 30)
    if disk_size(size) < own:
        reason = f"{base.name} has {own / 2**30:.1f} GiB"
        raise BuildError(f"--size {size}: {reason}, and an image can only grow", hint="give a larger --size, or none")
    return disk_size(size)


def find_suite(suites: Mapping[str, Mapping[str, Sequence[str]]], suite: str) -> Mapping[str, Sequence[str]]:
    """Return what is said of a suite."""
    if suite not in suites:
        near = difflib.get_close_matches(suite, suites, n=1)
        ending = f"; {near[0]}?" if near else ""
        raise BuildError(f"--suite {suite}: unknown suite", hint=f"known: {', '.join(suites)}{ending}")
    return suites[suite]


def find_format(kind: str) -> ImageFormat:
    """Return the kind of file that --format names."""
    if kind not in list(ImageFormat):
        raise BuildError(f"--format {kind}: unknown", hint=f"known: {', '.join(ImageFormat)}")
    return ImageFormat(kind)


def image_architecture(*, is_bios: bool) -> str:
    """Return Debian's name of this machine's architecture; images are made on their own."""
    if not own_architecture():
        raise BuildError(
            f"{os.uname().machine}: images cannot be made on this architecture",
            hint="use a machine with amd64 or arm64",
        )
    if is_bios and own_architecture() != "amd64":
        raise BuildError("--bios: this architecture boots only by UEFI", hint="leave --bios out")
    return own_architecture()


def disk_size(text: str) -> int:
    """Return bytes for a size such as 4G."""
    match = SIZE.fullmatch(text)
    if not match or int(match[1]) < 2:
        raise BuildError(
            f"--size {text}: must be between 2G and 9999G", hint="the root grows to the real disk at the first boot"
        )
    return int(match[1]) << 30


def find_file(path: str, option: str) -> Path:
    """Return a file that is there, by its absolute path."""
    found = Path(path).absolute()
    if not found.is_file():
        raise BuildError(f"{option} {path}: no such file")
    return found


def read_preload(paths: Sequence[str]) -> tuple[Path, ...]:
    """Return the files of ``--preload``; of two with one name one would take the other's place in the image."""
    found = []
    mistakes = Mistakes()
    for path in paths:
        with mistakes.collected():
            found.append(find_file(path, "--preload"))
    names = [Path(path).name for path in paths]
    for name in sorted({name for name in names if names.count(name) > 1}):
        with mistakes.collected():
            raise BuildError(f"--preload: {name} is given twice", hint="give each file its own name")
    mistakes.refuse()
    return tuple(found)


def find_debs(given: str) -> tuple[Path, ...]:
    """Return the files of ``--with consul=FILE``, one or more with commas between them: packages and programs."""
    found = []
    mistakes = Mistakes()
    for part in filter(None, given.split(",")):
        with mistakes.collected():
            found.append(find_deb(part))
    mistakes.refuse()
    return tuple(found)


def find_deb(part: str) -> Path:
    """Return the package or program that one ``consul=FILE`` names."""
    name, _, path = part.partition("=")
    if name != "consul" or not path:
        raise BuildError(f"--with {part}: is not consul=FILE", hint="--with consul=consul_1.22.7-1_amd64.deb")
    file = find_file(path, "--with")
    if not (is_program(file) or is_package(file)):
        hint = "./inv consul --version V --hashicorp-key FILE makes dist/consul/*.deb of the official archive"
        raise BuildError(f"--with {part}: is neither a Debian package nor a program", hint=hint)
    return file


def is_package(path: Path) -> bool:
    """Tell whether a file is a Debian package."""
    with path.open("rb") as file:
        return file.read(8) == b"!<arch>\n"


def own_deb(work: Workspace) -> Path:
    """Return the package that was built last."""
    found = sorted(work.dist.glob("consul-docker-host_*_all.deb"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise BuildError("dist/ contains no consul-docker-host_*_all.deb", hint="run ./inv build")
    return found[-1]


def check_machine(request: Request, folder: Path) -> None:
    """Raise BuildError where this machine cannot make the image: rights, tools, room."""
    mistakes = Mistakes()
    with mistakes.collected():
        refuse_user()
    with mistakes.collected():
        refuse_missing_tools(request)
    with mistakes.collected():
        refuse_small_disk(folder)
    mistakes.refuse()


def refuse_user() -> None:
    """Raise BuildError unless this is root."""
    if os.geteuid() != 0:
        raise BuildError("making an image needs root: its files belong to root", hint="run: sudo ./inv image ...")


def refuse_missing_tools(request: Request) -> None:
    """Raise BuildError with every program that this image takes and this machine lacks."""
    tools = {name: TOOLS[name] for name in TOOLS if request.format is not ImageFormat.TAR or name not in DISK_TOOLS}
    if request.base is not None:
        tools = BASE_TOOLS
    missing = sorted({package for name, package in tools.items() if find_program(name) is None})
    if missing:
        raise BuildError(f"not installed: {', '.join(missing)}", hint=f"apt-get install {' '.join(missing)}")


def refuse_small_disk(folder: Path) -> None:
    """Raise BuildError where a disk has too little room for the making of an image."""
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        reason = f"{folder} has {free / 2**30:.1f} GiB free, and an image takes {ROOM >> 30} GiB while it is made"
        raise BuildError(
            f"no space left: {reason}", hint="free some disk space, or put the checkout and XDG_CACHE_HOME elsewhere"
        )
