"""Validate the request for an image, before any work begins."""

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
# Program -> the Debian package that contains it.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "sfdisk": "fdisk",
    "qemu-img": "qemu-utils",
    "unshare": "util-linux",
}
# With an existing image no system is bootstrapped and no file system is created.
BASE_TOOLS = {
    "qemu-img": "qemu-utils",
    "sfdisk": "fdisk",
    "resize2fs": "e2fsprogs",
    "mcopy": "mtools",
    "nsenter": "util-linux",
}
DISK_TOOLS = ("mkfs.ext4", "mkfs.vfat", "mcopy", "sfdisk", "qemu-img")
Pack = Callable[[Path], Path]
# Space for a root of Debian with a Docker engine, its disk, and the files beside them.
ROOM = 6 << 30


class ImageFormat(StrEnum):
    """The file format of an image."""

    RAW = "raw"
    QCOW2 = "qcow2"
    TAR = "tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A validated image request.

    ``packages`` come from the archive, ``debs`` from this disk, ``preload`` are container images. ``size`` is the
    disk's in bytes, ``esp`` that of the EFI system partition; ``mirrors`` are addresses,
    lines of sources.list, or such files. ``base`` is an existing image that the packages are
    installed into; without one the system is built from ``packages``.
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
        """The image's file name without the format."""
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
    """Return the validated request, with the user's files only; BuildError lists every wrong option and its remedy."""
    defaults = tomllib.loads((work.packaging / "images" / "image.toml").read_text(encoding="utf-8"))
    base_file: Path | None = None
    mistakes = Mistakes()
    if base:
        with mistakes.collected():
            refuse_with_base({"--suite": suite, "--mirror": mirror, "--bios": is_bios})
        with mistakes.collected():
            base_file = find_file(base, "--base")
    suite = suite or SUITE
    with mistakes.collected():
        more = find_suite(defaults["suites"], suite)["more"]
    with mistakes.collected():
        image_format = find_format(kind)
    with mistakes.collected():
        architecture = image_architecture(is_bios=is_bios)
    with mistakes.collected():
        least = defaults["size"]
        bytes_wanted = grown_size(base_file, size, least) if base_file else disk_size(size or least)
    with mistakes.collected():
        debs = find_debs(given)
    with mistakes.collected():
        files = read_preload(preload)
    mistakes.refuse()
    packages = [*defaults["packages"], *more, *(["grub-pc-bin"] if is_bios else [])]
    return Request(
        suite=suite,
        architecture=architecture,
        format=image_format,
        size=bytes_wanted,
        esp=int(defaults["esp_mib"]) << 20,
        packages=tuple(package.replace("@arch@", architecture) for package in packages),
        debs=debs,
        preload=files,
        mirrors=tuple(part.strip() for part in mirror.split(",") if part.strip()),
        is_bios=is_bios,
        base=base_file,
    )


def with_packages(work: Workspace, request: Request, pack: Pack) -> Request:
    """Return the request with the package of the last build; ``pack`` makes a deb of each program of the user."""
    given = (pack(file) if is_program(file) else file for file in request.debs)
    return replace(request, debs=(*given, own_deb(work)))


def refuse_with_base(options: Mapping[str, object]) -> None:
    """Refuse the options for a new system, because --base already provides one."""
    names = [name for name, value in options.items() if value]
    if names:
        raise BuildError(f"{', '.join(names)}: cannot be combined with --base, which already provides the system")


def grown_size(base: Path, size: str, least: str) -> int:
    """Return the size in bytes of a disk that an existing image grows to."""
    if find_program("qemu-img") is None:
        raise BuildError("not installed: qemu-utils", hint="apt-get install qemu-utils")
    info = run(["qemu-img", "info", "--output=json", str(base)], check=False)
    own = int(json.loads(info.stdout)["virtual-size"]) if info.returncode == 0 else 0
    if not own:
        raise BuildError(f"--base {base}: is not a disk image: {info.stderr.strip() or 'empty'}", hint="raw or qcow2")
    if not size:
        return max(disk_size(least), -(-own >> 30) << 30)
    if disk_size(size) < own:
        reason = f"{base.name} has {own / 2**30:.1f} GiB"
        raise BuildError(f"--size {size}: {reason}, and an image can only grow", hint="give a larger --size, or none")
    return disk_size(size)


def find_suite(suites: Mapping[str, Mapping[str, Sequence[str]]], suite: str) -> Mapping[str, Sequence[str]]:
    """Return a suite's entry in image.toml."""
    if suite not in suites:
        near = difflib.get_close_matches(suite, suites, n=1)
        ending = f"; did you mean {near[0]}?" if near else ""
        raise BuildError(f"--suite {suite}: unknown suite", hint=f"known: {', '.join(suites)}{ending}")
    return suites[suite]


def find_format(kind: str) -> ImageFormat:
    """Return the image format that --format names."""
    if kind not in list(ImageFormat):
        raise BuildError(f"--format {kind}: unknown", hint=f"known: {', '.join(ImageFormat)}")
    return ImageFormat(kind)


def image_architecture(*, is_bios: bool) -> str:
    """Return Debian's name of this machine's architecture; an image is built on a machine of its own architecture."""
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
    """Return the absolute path of an option's file; raise BuildError if it is missing."""
    file = Path(path).absolute()
    if not file.is_file():
        raise BuildError(f"{option} {path}: no such file")
    return file


def read_preload(paths: Sequence[str]) -> tuple[Path, ...]:
    """Return the files of ``--preload``; two with the same name would overwrite each other in the image."""
    files = []
    mistakes = Mistakes()
    for path in paths:
        with mistakes.collected():
            files.append(find_file(path, "--preload"))
    names = [Path(path).name for path in paths]
    for name in sorted({name for name in names if names.count(name) > 1}):
        with mistakes.collected():
            raise BuildError(f"--preload: {name} is given twice", hint="give each file its own name")
    mistakes.refuse()
    return tuple(files)


def find_debs(given: str) -> tuple[Path, ...]:
    """Return the packages and programs of ``--with consul=FILE``, one or more with commas between them."""
    files = []
    mistakes = Mistakes()
    for part in filter(None, given.split(",")):
        with mistakes.collected():
            files.append(find_deb(part))
    mistakes.refuse()
    return tuple(files)


def find_deb(part: str) -> Path:
    """Return the package or program of a single ``consul=FILE``."""
    name, _, path = part.partition("=")
    if name != "consul" or not path:
        raise BuildError(f"--with {part}: is not consul=FILE", hint="--with consul=consul_1.22.7-1_amd64.deb")
    file = find_file(path, "--with")
    if not (is_program(file) or is_package(file)):
        hint = "./inv consul --version V --hashicorp-key FILE makes dist/consul/*.deb of the official archive"
        raise BuildError(f"--with {part}: is neither a Debian package nor a program", hint=hint)
    return file


def is_package(path: Path) -> bool:
    """Return whether a file is a Debian package."""
    with path.open("rb") as file:
        return file.read(8) == b"!<arch>\n"


def own_deb(work: Workspace) -> Path:
    """Return the package that was built last."""
    debs = sorted(work.dist.glob("consul-docker-host_*_all.deb"), key=lambda path: path.stat().st_mtime)
    if not debs:
        raise BuildError("dist/ contains no consul-docker-host_*_all.deb", hint="run ./inv build")
    return debs[-1]


def check_machine(request: Request, folder: Path) -> None:
    """Raise BuildError if this machine cannot build the image: root, tools, disk space."""
    mistakes = Mistakes()
    with mistakes.collected():
        refuse_user()
    with mistakes.collected():
        refuse_missing_tools(request)
    with mistakes.collected():
        refuse_small_disk(folder)
    mistakes.refuse()


def refuse_user() -> None:
    """Raise BuildError unless the program runs as root."""
    if os.geteuid() != 0:
        raise BuildError("making an image needs root: its files belong to root", hint="run: sudo ./inv image ...")


def refuse_missing_tools(request: Request) -> None:
    """Raise BuildError with the packages of all missing programs that building this image needs."""
    tools = {name: TOOLS[name] for name in TOOLS if request.format is not ImageFormat.TAR or name not in DISK_TOOLS}
    if request.base is not None:
        tools = BASE_TOOLS
    missing = sorted({package for name, package in tools.items() if find_program(name) is None})
    if missing:
        raise BuildError(f"not installed: {', '.join(missing)}", hint=f"apt-get install {' '.join(missing)}")


def refuse_small_disk(folder: Path) -> None:
    """Raise BuildError if the disk has too little space to build an image."""
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        reason = f"{folder} has {free / 2**30:.1f} GiB free, but building an image needs {ROOM >> 30} GiB"
        raise BuildError(
            f"no space left: {reason}", hint="free some disk space, or put the checkout and XDG_CACHE_HOME elsewhere"
        )
