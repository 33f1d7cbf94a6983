"""A root in a mount namespace of its own: what is mounted there ends with its holder, and that with this process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import start
from consul_docker_host.image.bake import ENTER, ISOLATED, SCRIPTS, WITH_US, Root

OPEN_SECONDS = 300.0
HOLD = SCRIPTS / "hold.sh"


@contextlib.contextmanager
def held(
    mount: Path, *arguments: str, folder: Path, refused: Callable[[str], BuildError], enter: Path = ENTER
) -> Iterator[Root]:
    """Give the root that the script ``mount`` puts at ``root``, in the folder that it runs in.

    ``refused`` makes an error of what it prints where it fails; ``enter`` is the script that goes into the root.
    """
    (folder / "root").mkdir(parents=True)
    (folder / "hold").touch()
    log = folder / "log"
    argv = [*WITH_US, "unshare", "--mount", "--propagation", "private", "--", "sh", str(HOLD), str(folder)]
    holder = start([*argv, str(mount), *arguments], log=log)
    try:
        deadline = time.monotonic() + OPEN_SECONDS
        while not (folder / "ready").exists():
            if holder.poll() is not None or time.monotonic() > deadline:
                raise refused(f"cannot be opened: {log.read_text().strip()}")
            time.sleep(0.02)
        inside = (*WITH_US, "nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--", *ISOLATED[len(WITH_US) :])
        tree = Path(f"/proc/{holder.pid}/root{folder / 'root'}")
        yield Root(tree=tree, inside=folder / "root", isolated=inside, enter=enter)
        (folder / "hold").unlink()
        if holder.wait(timeout=OPEN_SECONDS):
            raise refused(f"cannot be closed: {log.read_text().strip()}")
    finally:
        if holder.poll() is None:
            holder.kill()
        holder.wait(timeout=20)
