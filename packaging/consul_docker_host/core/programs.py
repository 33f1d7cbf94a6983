"""Find programs that are not on every PATH: fpm in the user's cache, and the programs of Python packages.

This module has no heavy imports, because a build that is up to date uses it as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import find_program, network_environment, run
from consul_docker_host.core.workspace import cache_path

FPM_VERSION = "1.18.0"
# A directory with fpm's gem and its dependencies, for machines that cannot reach RubyGems.
GEMS_VARIABLE = "FPM_GEMS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fpm:
    """An installed fpm: its program, and the variables that let Ruby find its gems."""

    program: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def cached_fpm_folder() -> Path:
    """Return the directory in the user's cache that ``inv setup.fpm`` installs into."""
    return cache_path("fpm", FPM_VERSION)


def find_fpm() -> Fpm | None:
    """Return the fpm on the PATH, else the cached one, else None."""
    on_path = find_program("fpm")
    if on_path:
        return Fpm(program=on_path)
    folder = cached_fpm_folder()
    program = folder / "bin" / "fpm"
    if program.is_file() and find_program("ruby"):
        return Fpm(program=program, environment={"GEM_HOME": str(folder), "GEM_PATH": str(folder)})
    return None


def install_fpm() -> Fpm:
    """Install fpm into the cache and return it: from the directory that FPM_GEMS names, else from RubyGems."""
    program = find_program("gem")
    if not program:
        raise BuildError("ruby is not installed, but fpm needs it", hint="apt-get install ruby")
    folder = cached_fpm_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fpm-", dir=folder.parent) as beside:
        built = Path(beside, FPM_VERSION)
        argv = [str(program), "install", "--no-document", "--install-dir", str(built), "--bindir", str(built / "bin")]
        gems = os.environ.get(GEMS_VARIABLE)
        if gems:
            gem = Path(gems, f"fpm-{FPM_VERSION}.gem").absolute()
            if not gem.is_file():
                raise BuildError(
                    f"{GEMS_VARIABLE}: {gem}: no such file",
                    hint="the directory must contain fpm's gem and its dependencies",
                )
            run([*argv, "--local", gem.name], cwd=gem.parent)
        else:
            hint = (
                f"without RubyGems: put fpm's gem and its dependencies into a directory and set {GEMS_VARIABLE} to it"
            )
            run([*argv, "fpm", "--version", FPM_VERSION], hint=hint, env=network_environment())
        shutil.rmtree(folder, ignore_errors=True)
        # Another process may have been quicker; its directory is as good as ours.
        with contextlib.suppress(OSError):
            built.rename(folder)
    fpm = find_fpm()
    if not fpm:
        raise BuildError(
            f"fpm was installed into {folder}, but is still missing", hint=f"remove {folder} and try again"
        )
    return fpm


def python_program(name: str) -> str:
    """Return the path of a program that a Python package of this environment provides."""
    program = find_program(name, first=[Path(sys.executable).parent])
    if not program:
        hint = "use ./inv, or: pip install -r locks/build.txt -r locks/test.txt"
        raise BuildError(f"{name} is missing from this environment", hint=hint)
    return str(program)
