"""Create the plain system that images are based on: once, by mmdebstrap, in the user's cache, where it never changes.

An image is an overlay on it, so that no file of the base is copied.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.report import say, stage
from consul_docker_host.core.run import network_environment, run
from consul_docker_host.core.workspace import cache_folder, content_key
from consul_docker_host.image.bake import ISOLATED, SCRIPTS, Root, clamp_times
from consul_docker_host.image.namespace import hold_root
from consul_docker_host.image.request import Request

CACHE = "image-bases"
BOOTSTRAP_SECONDS = 1800.0
KEPT = 4
# mmdebstrap's mounts and processes end with this process; its downloads need the network.
BOOTSTRAP = tuple(part for part in ISOLATED if part != "--net")
ANSWERS = SCRIPTS / "answers.sh"


def mmdebstrap_command(request: Request, target: Path) -> list[str]:
    """Return the argv that creates the plain system in a directory.

    Without a mirror mmdebstrap uses Debian's own archives, with security and updates.
    """
    return [
        *("mmdebstrap", "--variant=minbase", "--format=directory"),
        f"--include={','.join(request.packages)}",
        '--aptopt=APT::Install-Recommends "false"',
        f"--essential-hook={ANSWERS}",
        *(request.suite, str(target), *request.mirrors),
    ]


def base_key(request: Request) -> str:
    """Return one key for everything that the plain system depends on."""
    # The hook counts by its content, because its path depends on the checkout.
    command = [word for word in mmdebstrap_command(request, Path("target")) if str(ANSWERS) not in word]
    return content_key([*command, ANSWERS.read_bytes()])[:16]


@contextlib.contextmanager
def base_of(request: Request, *, epoch: int, fresh: bool) -> Iterator[Path]:
    """Yield the plain system's directory, created again if ``fresh``; nobody removes it while the block runs."""
    folder = cache_folder(CACHE)
    tree = folder / f"{request.suite}-{base_key(request)}-{epoch}"
    lock = lock_base(tree)
    try:
        if fresh or not tree.exists():
            lock.acquire()
            if fresh or not tree.exists():
                bootstrap(request, tree, epoch)
        lock.acquire(shared=True)
        if not tree.exists():
            raise BuildError(f"{tree}: was removed a moment ago", hint="run the command again")
        os.utime(lock.path)
        yield tree
    finally:
        lock.release()


def lock_of(tree: Path) -> Path:
    """Return the lock file of a base; its time stamp shows when the base was last used."""
    return tree.with_name(f"{tree.name}.lock")


def lock_base(tree: Path) -> Lock:
    """Return the lock of a base: images that use the base share it, and creating the base takes it exclusively."""
    busy = f"{tree}: another image has been using it for more than {BOOTSTRAP_SECONDS / 60:.0f} minutes"
    waiting = "waiting for another image of the same base ..."
    return Lock(lock_of(tree), busy=busy, waiting=waiting, seconds=BOOTSTRAP_SECONDS)


def bootstrap(request: Request, tree: Path, epoch: int) -> None:
    """Create the base at ``tree``, completely or not at all."""
    forget_old(tree)
    beside, former = unfinished(tree)
    hint = "mmdebstrap needs the distribution's package archive; --mirror names another one"
    environment = {**network_environment(), "SOURCE_DATE_EPOCH": str(epoch)}
    argv = [*BOOTSTRAP, *mmdebstrap_command(request, beside)]
    try:
        clear(beside, former)
        with stage(f"mmdebstrap {request.suite}"):
            run(argv, timeout=BOOTSTRAP_SECONDS, env=environment, hint=hint)
        clamp_times(beside, epoch)
        if tree.exists():
            tree.rename(former)
        beside.rename(tree)
    finally:
        clear(beside, former)


def unfinished(tree: Path) -> tuple[Path, Path]:
    """Return the paths of a base that is being created, and of the earlier one that it replaces."""
    return tree.with_name(f".{tree.name}.new"), tree.with_name(f".{tree.name}.old")


def clear(*folders: Path) -> None:
    """Remove directories, if they exist."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def forget_old(tree: Path) -> None:
    """Remove incomplete bases and, to free space, those that were not used for longest; keep those in use."""
    locks = [lock for lock in tree.parent.glob("*.lock") if lock != lock_of(tree)]
    locks.sort(key=lambda lock: lock.stat().st_mtime)
    complete = [lock for lock in locks if lock.with_suffix("").exists()]
    for path in locks:
        old = path.with_suffix("")
        lock = Lock(path)
        if lock.try_acquire():
            clear(*unfinished(old), *([old] if path in complete[: -KEPT + 1] else []))
        lock.release()


@contextlib.contextmanager
def lay_over(base: Path, folder: Path) -> Iterator[Root]:
    """Yield a root that shows the base; changes are written to ``folder`` and removed with it."""

    def refused(reason: str) -> BuildError:
        hint = "it needs the right to mount; without overlayfs also space for a copy of the base"
        return BuildError(f"{folder}: {reason}", hint=hint)

    with hold_root(SCRIPTS / "overlay.sh", str(base), folder=folder, refused=refused) as root:
        if (folder / "copied").exists():
            say(f"copying the base: the file system of {folder.parent.parent} does not support overlayfs")
        yield root
