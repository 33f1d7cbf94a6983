"""Look at the settings file and the files that it names."""

from __future__ import annotations

import os
from typing import NamedTuple

from host_program import secret_files
from host_program.settings import FILE, Host, Problem


class SettingsFile(NamedTuple):
    """Whether this user can read the settings, and all mistakes in them."""

    is_readable: bool
    problems: tuple[Problem, ...]


def look(host: Host, *, is_root: bool) -> SettingsFile:
    """Look at the settings and, as root, at the secrets that they name: other users cannot enter their directories."""
    path = host.path(FILE)
    problems = list(host.problems)
    for key in host.built_in.secrets if is_root else ():
        problems += [
            Problem(key, reason)
            for reason in (secret_files.file_fault(host, key), secret_files.file_warning(host, key))
            if reason
        ]
    return SettingsFile(not os.path.exists(path) or os.access(path, os.R_OK), tuple(problems))
