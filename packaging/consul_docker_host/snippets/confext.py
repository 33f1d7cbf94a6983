"""Write the configuration as a confext: an image that systemd 255 and later merges into a read-only /etc."""

from __future__ import annotations

import shutil
from pathlib import Path

from consul_docker_host.core.run import run
from consul_docker_host.package.plan import Plan
from consul_docker_host.snippets.ignition import RELEASE

SQUASHFS_SECONDS = 120.0


def write_confext(plan: Plan, folder: Path) -> Path:
    """Write the tree's /etc as a squashfs that `systemd-confext` merges, and return its path."""
    root = folder / "confext"
    for entry in plan.entries:
        if entry.path.startswith("etc/"):
            target = root / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(plan.tree / entry.path, target)
            target.chmod(entry.mode)
    release = root / f"etc/extension-release.d/extension-release.{plan.name}"
    release.parent.mkdir(parents=True)
    release.write_text(RELEASE, encoding="ascii")
    image = folder / f"{plan.name}.raw"
    stamps = ["-mkfs-time", str(plan.epoch), "-all-time", str(plan.epoch)]
    hint = "apt-get install squashfs-tools"
    command = ["mksquashfs", str(root), str(image), "-quiet", "-no-progress", "-all-root", "-noappend"]
    run([*command, *stamps], timeout=SQUASHFS_SECONDS, hint=hint)
    shutil.rmtree(root)
    return image
