"""The plain system that images are made of: by mmdebstrap, once, into the user's cache, and never changed there.

An image lays what is its own over it, so that none of its files is written a second time.
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
from consul_docker_host.image.namespace import held
from consul_docker_host.image.request import Request

CACHE = "image-bases"
BOOTSTRAP_SECONDS = 1800.0
KEPT = 4
# Its mounts and processes end with it, and so with this process; its downloads need the network.
BOOTSTRAP = tuple(part for part in ISOLATED if part != "--net")
ANSWERS = SCRIPTS / "answers.sh"


def mmdebstrap_command(request: Request, target: Path) -> list[str]:
    """Return the argv that makes the plain system in a folder.

    Without a mirror mmdebstrap takes Debian's own, the archives of security and updates among them.
    """
    return [
        *("mmdebstrap", "--variant=minbase", "--format=directory"),
        f"--include={','.join(request.packages)}",
        '--aptopt=APT::Install-Recommends "false"',
        f"--essential-hook={ANSWERS}",
        *(request.suite, str(target), *request.mirrors),
    ]


def base_key(request: Request) -> str:
    """Return what the plain system depends on, as one word."""
    # The hook counts by what it does, not by where this checkout lies.
    command = [word for word in mmdebstrap_command(request, Path("target")) if str(ANSWERS) not in word]
    return content_key([*command, ANSWERS.read_bytes()])[:16]


@contextlib.contextmanager
def base_of(request: Request, *, epoch: int, fresh: bool) -> Iterator[Path]:
    """Give the plain system as a folder, from the cache unless it is asked for ``fresh``; in the block it stays."""
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
    """Return the file whose lock a base is under; its time says when the base was last of use."""
    return tree.with_name(f"{tree.name}.lock")


def lock_base(tree: Path) -> Lock:
    """Return the lock of a base, which is shared by those that use it and exclusive for whoever makes it."""
    busy = f"{tree}: another image has been using it for more than {BOOTSTRAP_SECONDS / 60:.0f} minutes"
    waiting = "waiting for another image of the same base ..."
    return Lock(lock_of(tree), busy=busy, waiting=waiting, seconds=BOOTSTRAP_SECONDS)


def bootstrap(request: Request, tree: Path, epoch: int) -> None:
    """Make the base in the folder's place, whole or not at all."""
    forget_old(tree)
    beside, former = unfinished(tree)
    hint = "it needs the distribution's package archive: --mirror names another one"
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
    """Return where a base is made, and where the one before it goes."""
    return tree.with_name(f".{tree.name}.new"), tree.with_name(f".{tree.name}.old")


def clear(*folders: Path) -> None:
    """Remove folders, where they are there."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def forget_old(tree: Path) -> None:
    """Let go what was not used for longest, to make room, and what was never finished; what is in use stays."""
    locks = [lock for lock in tree.parent.glob("*.lock") if lock != lock_of(tree)]
    locks.sort(key=lambda lock: lock.stat().st_mtime)
    made = [lock for lock in locks if lock.with_suffix("").exists()]
    for path in locks:
        old = path.with_suffix("")
        lock = Lock(path)
        if lock.try_acquire():
            clear(*unfinished(old), *([old] if path in made[: -KEPT + 1] else []))
        lock.release()


@contextlib.contextmanager
def laid_over(base: Path, folder: Path) -> Iterator[Root]:
    """Give a root that is the base until it is changed; what changes lies in the folder, and goes with it."""

    def refused(why: str) -> BuildError:
        return BuildError(
            f"{folder}: {why}", hint="it takes the right to mount, and room for the base where it is copied"
        )

    with held(SCRIPTS / "overlay.sh", str(base), folder=folder, refused=refused) as root:
        if (folder / "copied").exists():
            say(f"the base is copied: {folder.parent.parent} lies where nothing can be laid over it")
        yield root
