"""The root of an image, and how our packages come into it.

No step touches this machine: commands run in namespaces of their own, and when this process ends in whatever way they
end with it, and their mounts with them. Nothing is started, and nothing reaches the network, unless an existing image
lacks what our packages need.
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
# Ends with this process, however that ends: nothing goes on writing into a folder that nobody works in.
WITH_US = ("setpriv", "--pdeathsig", "KILL")
# Private mounts and process numbers, no network; all of it ends with the process that asked for it.
ISOLATED = (
    *WITH_US,
    *("unshare", "--mount", "--pid", "--net", "--ipc", "--fork"),
    *("--kill-child=KILL", "--propagation", "private", "--"),
)
# What puts a root in place on this machine, and goes into it.
SCRIPTS = ROOT / "packaging" / "images" / "namespace"
ENTER = SCRIPTS / "enter.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The root of an image under construction.

    ``tree`` is where this process finds it, ``inside`` where a program does that ``isolated`` has started; ``enter``
    is the script that goes there.
    """

    tree: Path
    inside: Path
    isolated: tuple[str, ...] = ISOLATED
    enter: Path = ENTER

    def command(self, *argv: str) -> list[str]:
        """Return the command that runs a program in the root."""
        return [*self.isolated, "sh", str(self.enter), str(self.inside), *argv]

    def step(self, script: Path, *arguments: str, epoch: int, is_online: bool = False) -> None:
        """Run a script of ours in the root; ``is_online``: with this machine's network, to fetch packages."""
        environment = {"SOURCE_DATE_EPOCH": str(epoch)}
        argv = self.command("/bin/sh", "-c", script.read_text(encoding="utf-8"), script.name, *arguments)
        if is_online:
            argv.remove("--net")
            environment |= network_environment()
        run(argv, timeout=STEP_SECONDS, env=environment)


def fill_root(work: Workspace, request: Request, root: Root, *, epoch: int) -> None:
    """Put what an image has, our packages and the preloaded images into the root, and seal it."""
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
    """Put files into a root as they lie in a folder."""
    run([*WITH_US, "cp", "-a", "--no-preserve=ownership,timestamps", f"{folder}/.", str(tree)])


def clamp_times(tree: Path, epoch: int) -> None:
    """Clamp mtimes to SOURCE_DATE_EPOCH, so that the image is the same whenever it is made."""
    run([*WITH_US, "sh", str(SCRIPTS / "clamp.sh"), str(epoch)], cwd=tree, timeout=STEP_SECONDS)
