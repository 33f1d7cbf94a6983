"""The payload as a former commit rendered it, for benchmarks that compare today's with it."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.host.conftest import REPOSITORY

# The last commit whose host program is shell.
SHELL = "7ecead3"
SECONDS = 120


def render_former(commit: str, folder: Path) -> Path:
    """Unpack the commit into ``folder`` and return the tree that its own builder renders from its default settings.

    The commit has to be in the history that is checked out. Its builder runs with the packages of this environment.
    """
    archive = subprocess.run(["git", "-C", str(REPOSITORY), "archive", commit], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        members.extractall(folder, filter="data")
    argv = [sys.executable, "-m", "invoke", "--search-root", str(folder), "render"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=SECONDS)
    return folder / "build/consul-docker-host/tree"
