"""The disk, kernel and initrd of a guest, made by mmdebstrap and kept by content.

What differs between guests is not on the disk: a second, small disk holds a tar that the initrd unpacks over the root
before systemd starts, once. So one cached disk serves every guest, and no boot is needed to prepare one. A baked disk
has packages installed by dpkg in the root before any boot, as an image's maker does it.
"""

from __future__ import annotations

import dataclasses
import io
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core import run
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.run import network_environment
from consul_docker_host.core.workspace import cache_folder, content_key, replacing
from consul_docker_host.prove.distributions import Distribution
from tests.support.containers.images import MMDEBSTRAP_SECONDS
from tests.support.programs.consul import consul_package, package_path

ROOM = "vm"  # of the cache
SIZE = "6G"  # sparse
SYSTEM = (
    *("systemd-sysv", "dbus", "udev", "kmod", "ifupdown", "isc-dhcp-client", "iproute2", "procps", "netbase"),
    # The cloud kernel knows the dummy link type, which is what this bed is for.
    *("linux-image-cloud-amd64", "initramfs-tools", "qemu-guest-agent"),
    *("dnsmasq", "nftables", "python3", "jq", "curl", "ca-certificates"),
    # Docker does not start without apparmor's program where the kernel has AppArmor on.
    *("docker.io", "apparmor", "iptables"),
    *("bind9-dnsutils", "busybox-static"),
)
DOCKER_COMMAND = {"trixie": ("docker-cli",)}  # a package of its own since Debian 13
# Within reach of apt, not installed.
VARIANTS = ("systemd-resolved", "network-manager", "resolvconf", "dhcpcd-base", "dnsperf", "ufw", "openssh-server")

INITRAMFS_MODULES = ("virtio_pci", "virtio_blk", "ext4")
UNPACK = r"""#!/bin/sh
[ "$1" != prereqs ] || exit 0
[ -b /dev/vdb ] && [ ! -e "$rootmnt/var/lib/identity" ] || exit 0
dd if=/dev/vdb bs=1M 2>/dev/null | chroot "$rootmnt" /usr/bin/tar -xf - -C /
: >"$rootmnt/var/lib/identity"
"""
HOOKS = (
    # A getty on the console would hang other writers up, and one without a console is a failed unit.
    'chroot "$1" systemctl mask getty.target serial-getty@ttyS0.service apt-daily.timer apt-daily-upgrade.timer',
    'rm -f "$1/etc/resolv.conf" "$1/etc/hostname"; : >"$1/etc/fstab"; : >"$1/etc/machine-id"',
    'echo MODULES=list >"$1/etc/initramfs-tools/conf.d/small"',
    'printf "%s\\n" ' + " ".join(INITRAMFS_MODULES) + ' >>"$1/etc/initramfs-tools/modules"',
    'chroot "$1" update-initramfs -u',
    "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get clean",
    # One by one: some of them exclude each other.
    *(f"APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install --yes --download-only {name}" for name in VARIANTS),
)
TREE = "root.tar"  # what a baked disk begins with
BAKE = """
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
dpkg --install /var/tmp/consul.deb $(ls /var/tmp/package.deb)
rm -f /usr/sbin/policy-rc.d /var/tmp/package.deb
"""
BAKE_SECONDS = 120
KEPT = 3
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What QEMU boots a guest from."""

    root: Path
    kernel: Path
    initrd: Path


def mmdebstrap_command(suite: str, unpack: Path, consul: Path, target: Path) -> list[str]:
    """Return the argv that writes a guest's root to the folder ``target``."""
    include = (*SYSTEM, *DOCKER_COMMAND.get(suite, ()))
    return [
        "mmdebstrap",
        "--variant=minbase",
        "--format=directory",
        "--skip=cleanup/apt/lists,cleanup/apt/cache",
        f"--include={','.join(include)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        f"--customize-hook=copy-in {unpack} /etc/initramfs-tools/scripts/init-bottom",
        f'--customize-hook=cp {consul} "$1/var/tmp/consul.deb"',
        *(f"--customize-hook={hook}" for hook in HOOKS),
        suite,
        str(target),
    ]


def disk_name(distribution: Distribution) -> str:
    """Return the name of the folder that has the distribution's disk in the cache."""
    command = mmdebstrap_command(distribution.suite, Path("identity"), Path(package_path().name), Path("root"))
    return f"{distribution.name}-{content_key([*command, UNPACK, SIZE, TREE])[:12]}"


def guest_disk(distribution: Distribution) -> Disk:
    """Return the distribution's disk, from the cache after the first time."""
    consul = consul_package()
    folder = cache_folder(ROOM, disk_name(distribution))
    disk = Disk(root=folder / "root.img", kernel=folder / "vmlinuz", initrd=folder / "initrd")
    with Lock(folder / "lock"):
        if not disk.root.exists():
            make_disk(disk, distribution.suite, consul)
    return disk


def baked_disk(distribution: Distribution, package: Path | None) -> Disk:
    """Return the distribution's disk with Consul and, if one is given, our package in it; nothing of it has run yet."""
    plain = guest_disk(distribution)
    folder = plain.root.parent
    content = package.read_bytes() if package else b""
    baked = folder / f"baked-{content_key([BAKE, content])[:12]}.img"
    with Lock(folder / "lock"):
        if not baked.exists():
            # Each build of the package makes one: the last few serve.
            for old in sorted(folder.glob("baked-*.img"), key=lambda path: path.stat().st_mtime)[: -KEPT + 1]:
                old.unlink()
            with tempfile.TemporaryDirectory(dir=folder) as name:
                tree = Path(name)
                run.run(["tar", "--extract", "--xattrs", "--file", str(folder / TREE), "--directory", str(tree)])
                if package:
                    shutil.copyfile(package, tree / "var/tmp/package.deb")
                run.run(["chroot", str(tree), "sh", "-ec", BAKE], timeout=BAKE_SECONDS)
                write_image(tree, baked)
        baked.touch()
    return dataclasses.replace(plain, root=baked)


def write_image(tree: Path, image: Path) -> None:
    """Make a disk's image from a folder."""
    with replacing(image) as beside:
        beside.unlink()
        run.run(["mkfs.ext4", "-q", "-F", "-d", str(tree), str(beside), SIZE])


def make_disk(disk: Disk, suite: str, consul: Path) -> None:
    """Make the files of a disk; the root comes last, because its presence says that all are there."""
    with tempfile.TemporaryDirectory(dir=disk.root.parent) as name:
        folder = Path(name)
        unpack, tree = folder / "identity", folder / "root"
        unpack.write_text(UNPACK, encoding="ascii")
        unpack.chmod(0o755)
        run.run(
            mmdebstrap_command(suite, unpack, consul, tree),
            timeout=MMDEBSTRAP_SECONDS,
            env=network_environment(),
            hint="it needs root, mmdebstrap, debian-archive-keyring and the distribution's package archive",
        )
        for pattern, target in (("vmlinuz-*", disk.kernel), ("initrd.img-*", disk.initrd)):
            shutil.copyfile(next(iter(sorted((tree / "boot").glob(pattern)))), target)
        with replacing(disk.root.parent / TREE) as beside:
            run.run(["tar", "--create", "--xattrs", "--file", str(beside), "--directory", str(tree), "."])
        write_image(tree, disk.root)


def identity_tar(files: Mapping[str, str | bytes | Path], links: Mapping[str, str]) -> bytes:
    """Return the tar that makes a guest what it is: files by absolute path, root's, and symlinks."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            data = data.encode() if isinstance(data, str) else data
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode, entry.size = 0o644, len(data)
            tar.addfile(entry, io.BytesIO(data))
        for path, target in links.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return buffer.getvalue()
