"""The linters of the project itself."""

from __future__ import annotations

import sys
from pathlib import Path

from consul_docker_host.core.programs import python_program
from consul_docker_host.core.report import say
from consul_docker_host.core.run import follow, run
from consul_docker_host.core.workspace import Workspace

LINTED = ("packaging/consul_docker_host", "tasks.py", "tests", "pyinfra_deploy")
LINT_SECONDS = 900.0
# Where shellcheck finds what a script sources: on a host below /, and beside it; in a package, in one file with it.
SHELL_PATHS = tuple(
    f"--source-path={path}" for path in ("files", "SCRIPTDIR", "files/usr/lib/consul-docker-host", "packaging/scripts")
)


def lint(work: Workspace) -> bool:
    """Run ruff, mypy and shellcheck over the project and tell whether all are content."""
    present = [name for name in LINTED if (work.root / name).exists()]
    scripts = [str(path.relative_to(work.root)) for path in shell_scripts(work)]
    commands = (
        [python_program("ruff"), "check", *present],
        [python_program("ruff"), "format", "--check", "--quiet", *present],
        [sys.executable, "-m", "mypy"],
        [python_program("shellcheck"), "--external-sources", *SHELL_PATHS, *scripts],
    )
    say("== lint: ruff, mypy --strict, shellcheck")
    return not [True for argv in commands if follow(argv, cwd=work.root, timeout=LINT_SECONDS)]


def shell_scripts(work: Workspace) -> list[Path]:
    """Return every file of the project that starts as a shell script, and the library that they source."""
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=work.root).stdout.splitlines()
    paths = [work.root / name for name in listed if not name.endswith((".j2", ".py", ".md"))]
    return [path for path in paths if path.is_file() and path.read_bytes()[:9] == b"#!/bin/sh"]
