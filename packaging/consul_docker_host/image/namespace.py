"""Mount a root in a namespace of its own: the mounts end with the process that holds it, and that with this process."""

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
def hold_root(
    mount: Path, *arguments: str, folder: Path, refused: Callable[[str], BuildError], enter: Path = ENTER
) -> Iterator[Root]:
    """Yield the root that the script ``mount`` mounts at ``root`` in ``folder``, its working directory.

    ``refused`` turns the script's output into an error if it fails; ``enter`` is the script that enters the root.
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
