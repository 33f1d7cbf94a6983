"""The files of the checkout: those that git has or would take, also where git cannot be asked.

There is no `.git` in an archive of the sources, and git refuses a checkout of another user:
https://git-scm.com/docs/git-config#Documentation/git-config.txt-safedirectory
"""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path

from consul_docker_host.core.run import find_program, run


def project_files(root: Path) -> list[str]:
    """Return the paths of the project's files below ``root``, sorted; what `.gitignore` excludes is not among them."""
    if find_program("git") and (root / ".git").exists():
        listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, check=False)
        if listed.returncode == 0:
            # A file that was removed a moment ago is still in the index.
            return sorted(name for name in set(listed.stdout.split("\0")) if name and (root / name).is_file())
    return sorted(walked(root))


def walked(root: Path) -> list[str]:
    """Return the same by walking the tree, with the few forms of patterns that our `.gitignore` has."""
    ignore = root / ".gitignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
    patterns = [line for line in lines if line and not line.startswith("#")]
    found = []
    for folder, folders, files in os.walk(root):
        place = Path(folder).relative_to(root)
        # The walk goes into what is left here.
        folders[:] = [
            name for name in folders if name != ".git" and not is_ignored(place / name, patterns, is_folder=True)
        ]
        paths = [place / name for name in files if (root / place / name).is_file()]
        found += [str(path) for path in paths if path != Path(".git") and not is_ignored(path, patterns)]
    return found


def is_ignored(path: Path, patterns: list[str], *, is_folder: bool = False) -> bool:
    """Return whether a pattern excludes a path: from the root where it has a slash within, else in every directory."""
    for pattern in patterns:
        if pattern.endswith("/") and not is_folder:
            continue
        plain = pattern.rstrip("/")
        name = str(path) if "/" in plain else path.name
        if fnmatch.fnmatchcase(name, plain.lstrip("/")):
            return True
    return False
