"""Directories that take long to make and are the same for the same content: kept in the cache, copied for each run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from consul_docker_host.core.locks import Lock
from consul_docker_host.core.workspace import cache_folder, content_key

KEPT = 3


def kept_directory(name: str, target: Path, *, key: Iterable[bytes | str], make: Callable[[Path], object]) -> Path:
    """Copy what ``make`` writes into a new directory to ``target``; it is made once for each ``key``.

    The copy is the caller's to change.
    """
    folder = cache_folder("kept", name)
    wanted = folder / content_key(key)[:12]
    with Lock(folder / "lock"):
        if not wanted.exists():
            # What a killed run left has another name.
            with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as beside:
                make(Path(beside, "made"))
                Path(beside, "made").rename(wanted)
        wanted.touch()
        former = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
        for path in former[:-KEPT]:
            shutil.rmtree(path)
        shutil.copytree(wanted, target, symlinks=True)
    return target
