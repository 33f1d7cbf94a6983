"""The linters of the project itself."""

from __future__ import annotations

import sys
from pathlib import Path

from consul_docker_host.core.checkout import project_files
from consul_docker_host.core.programs import python_program
from consul_docker_host.core.report import say
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove.shell_style import style_faults

LINTED = ("packaging/consul_docker_host", "tasks.py", "tests", "pyinfra_deploy")
LINT_SECONDS = 900.0
# Where shellcheck finds what a script sources: on a host below /, and beside it; in a package, in one file with it.
SHELL_PATHS = tuple(
    f"--source-path={path}" for path in ("files", "SCRIPTDIR", "files/usr/lib/consul-docker-host", "packaging/scripts")
)
# Whose style is asked as well. The golden tree has what templates become: a template is not shell.
STYLED = ("files/", "packaging/scripts/", "packaging/images/", "inv", "tests/golden/default/")
SHELL_MARKS = (b"#!/bin/sh", b"# shellcheck shell=sh")


def lint(work: Workspace) -> dict[str, str]:
    """Run ruff, mypy, shellcheck and shfmt over the project; return what each complains about, empty if nothing."""
    present = [name for name in LINTED if (work.root / name).exists()]
    scripts = [str(path.relative_to(work.root)) for path in shell_scripts(work)]
    commands = {
        "ruff check": [python_program("ruff"), "check", *present],
        "ruff format": [python_program("ruff"), "format", "--check", "--quiet", *present],
        "mypy": [sys.executable, "-m", "mypy"],
        "shellcheck": [python_program("shellcheck"), "--external-sources", *SHELL_PATHS, *scripts],
    }
    say("== lint: ruff, mypy --strict, shellcheck, shfmt")
    complaints = {}
    for name, argv in commands.items():
        result = run(argv, cwd=work.root, timeout=LINT_SECONDS, check=False)
        if result.output:
            say(result.output.rstrip())
        complaints[name] = (result.output or f"exited with {result.returncode}") if result.returncode else ""
    faults = [
        f"{script}:{fault}"
        for script in scripts
        if script.startswith(STYLED)
        for fault in style_faults(work.root / script)
    ]
    for fault in faults:
        say(fault)
    return complaints | {"shfmt": "\n".join(faults)}


def shell_scripts(work: Workspace) -> list[Path]:
    """Return every file of the project that starts as a shell script, and those that are marked as parts of one."""
    names = [name for name in project_files(work.root) if not name.endswith((".j2", ".py", ".md"))]
    return [work.root / name for name in names if is_shell((work.root / name).read_bytes())]


def is_shell(content: bytes) -> bool:
    """Return whether one of the first lines says that this is shell."""
    return content.startswith(SHELL_MARKS[0]) or any(line.startswith(SHELL_MARKS) for line in content.splitlines()[:12])
