"""Run the linters over the project itself."""

from __future__ import annotations

import sys
from pathlib import Path

from consul_docker_host.core.programs import python_program
from consul_docker_host.core.report import say
from consul_docker_host.core.run import follow, run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove.shell_style import style_faults

# All directories that contain Python; mypy's own list is in pyproject.toml.
LINTED = ("files", "packaging", "pyinfra_deploy", "tasks.py", "tests")
LINT_SECONDS = 900.0
# The directories in which shellcheck finds sourced files: the host's /, the script's own, the library, the fragments.
SHELL_PATHS = tuple(
    f"--source-path={path}" for path in ("files", "SCRIPTDIR", "files/usr/lib/consul-docker-host", "packaging/scripts")
)
# These scripts are also checked for style. The golden tree has the rendered templates, which are not shell themselves.
STYLED = ("files/", "packaging/scripts/", "packaging/images/", "inv", "tests/golden/default/")
SHELL_MARKS = (b"#!/bin/sh", b"# shellcheck shell=sh")


def lint(work: Workspace) -> bool:
    """Run ruff, mypy, shellcheck and shfmt over the project and return whether none of them complains."""
    present = [name for name in LINTED if (work.root / name).exists()]
    scripts = [str(path.relative_to(work.root)) for path in shell_scripts(work)]
    commands = (
        [python_program("ruff"), "check", *present],
        [python_program("ruff"), "format", "--check", "--quiet", *present],
        [sys.executable, "-m", "mypy"],
        [python_program("shellcheck"), "--external-sources", *SHELL_PATHS, *scripts],
    )
    say("== lint: ruff, mypy --strict, shellcheck, shfmt")
    complaints = [argv for argv in commands if follow(argv, cwd=work.root, timeout=LINT_SECONDS)]
    faults = [
        f"{script}:{fault}"
        for script in scripts
        if script.startswith(STYLED)
        for fault in style_faults(work.root / script)
    ]
    for fault in faults:
        say(fault)
    return not (complaints or faults)


def shell_scripts(work: Workspace) -> list[Path]:
    """Return every file of the project that is a shell script, or is marked as a part of one."""
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=work.root).stdout.splitlines()
    paths = [work.root / name for name in listed if not name.endswith((".j2", ".py", ".md"))]
    return [path for path in paths if path.is_file() and is_shell(path.read_bytes())]


def is_shell(content: bytes) -> bool:
    """Return whether the first line is a shebang of sh, or one of the first lines is shellcheck's mark."""
    return content.startswith(SHELL_MARKS[0]) or any(line.startswith(SHELL_MARKS) for line in content.splitlines()[:12])
