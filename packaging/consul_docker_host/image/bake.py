"""Install our packages into the root of an image.

No step changes this machine: commands run in namespaces of their own, and they end together with this process,
however it ends, and their mounts with them. No service is started. Only an existing image gets the network, to fetch
what our packages depend on.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.report import stage
from consul_docker_host.core.run import network_environment, run
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.image.request import Request

STEP_SECONDS = 600.0
BAKE = "var/tmp/bake"
# The kernel kills the program when this process ends, so it never goes on writing into an abandoned directory.
WITH_US = ("setpriv", "--pdeathsig", "KILL")
# The program gets private mounts and process numbers and no network; all of it ends with this process.
ISOLATED = (
    *WITH_US,
    *("unshare", "--mount", "--pid", "--net", "--ipc", "--fork"),
    *("--kill-child=KILL", "--propagation", "private", "--"),
)
# The scripts that mount a root on this machine, and run programs in it.
SCRIPTS = ROOT / "packaging" / "images" / "namespace"
ENTER = SCRIPTS / "enter.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The root of an image under construction.

    ``tree`` is its path for this process, ``inside`` its path for programs that ``isolated`` starts; ``enter`` is the
    script that changes into it.
    """

    tree: Path
    inside: Path
    isolated: tuple[str, ...] = ISOLATED
    enter: Path = ENTER

    def command(self, *argv: str) -> list[str]:
        """Return the command that runs a program in the root."""
        return [*self.isolated, "sh", str(self.enter), str(self.inside), *argv]

    def step(self, script: Path, *arguments: str, epoch: int, is_online: bool = False) -> None:
        """Run one of our scripts in the root; with ``is_online`` it has this machine's network, to fetch packages."""
        environment = {"SOURCE_DATE_EPOCH": str(epoch)}
        argv = self.command("/bin/sh", "-c", script.read_text(encoding="utf-8"), script.name, *arguments)
        if is_online:
            argv.remove("--net")
            environment |= network_environment()
        run(argv, timeout=STEP_SECONDS, env=environment)


def fill_root(work: Workspace, request: Request, root: Root, *, epoch: int) -> None:
    """Copy the image's files, our packages and the preloaded images into the root, install them and seal it."""
    scripts = work.packaging / "images"
    copy_over(scripts / "every", root.tree)
    if request.base is None:
        copy_over(scripts / "tree", root.tree)
        root.step(scripts / "base.sh", epoch=epoch)
    place = root.tree / BAKE
    (place / "preload").mkdir(parents=True)
    for path in request.debs:
        shutil.copyfile(path, place / path.name)
    for path in request.preload:
        shutil.copyfile(path, place / "preload" / path.name)
    is_online = request.base is not None
    with stage(f"installing {', '.join(deb.name for deb in request.debs)}"):
        root.step(scripts / "bake.sh", *(["online"] if is_online else []), epoch=epoch, is_online=is_online)
    root.step(scripts / "seal.sh", epoch=epoch)


def copy_over(folder: Path, tree: Path) -> None:
    """Copy the files of a directory into a root, under the same paths."""
    run([*WITH_US, "cp", "-a", "--no-preserve=ownership,timestamps", f"{folder}/.", str(tree)])


def clamp_times(tree: Path, epoch: int) -> None:
    """Clamp mtimes to SOURCE_DATE_EPOCH, so that the image is the same whenever it is made."""
    run([*WITH_US, "sh", str(SCRIPTS / "clamp.sh"), str(epoch)], cwd=tree, timeout=STEP_SECONDS)
