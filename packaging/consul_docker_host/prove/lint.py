"""Run the linters over the project itself."""

from __future__ import annotations

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from consul_docker_host.core.checkout import project_files
from consul_docker_host.core.programs import python_program
from consul_docker_host.core.report import say
from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import Workspace, cache_folder
from consul_docker_host.prove.shell_style import style_faults

# All directories that contain Python; mypy's own list is in pyproject.toml.
LINTED = ("files", "packaging", "pyinfra_deploy", "tasks.py", "tests")
LINT_SECONDS = 900.0
# The directories in which shellcheck finds sourced files: the host's /, the script's own, the library, the fragments.
SHELL_PATHS = tuple(
    f"--source-path={path}" for path in ("files", "SCRIPTDIR", "files/usr/lib/consul-docker-host", "packaging/scripts")
)
# These scripts are also checked for style. The golden tree has the rendered templates, which are not shell themselves.
STYLED = ("files/", "packaging/scripts/", "packaging/images/", "pyinfra_deploy/", "inv", "tests/golden/default/")
SHELL_MARKS = (b"#!/bin/sh", b"# shellcheck shell=sh")


def lint(work: Workspace) -> dict[str, str]:
    """Run ruff, mypy, shellcheck and shfmt over the project; return what each complains about, empty if nothing."""
    scripts = [str(path.relative_to(work.root)) for path in shell_scripts(work)]
    styled = [script for script in scripts if script.startswith(STYLED)]
    say("== lint: ruff, mypy --strict, shellcheck, shfmt")
    with ThreadPoolExecutor() as pool:
        # mypy takes as long as all others together, so it starts first and they run beside it.
        asked = {name: pool.submit(ask, argv, work) for name, argv in commands(work, scripts).items()}
        styles = list(pool.map(lambda script: list(style_faults(work.root / script)), styled))
    complaints = {name: complaint_of(future.result()) for name, future in asked.items()}
    faults = [f"{script}:{fault}" for script, faults in zip(styled, styles, strict=True) for fault in faults]
    complaints["shfmt"] = "\n".join(faults)
    for complaint in filter(None, complaints.values()):
        say(complaint)
    return complaints


def complaint_of(result: Result) -> str:
    """Return what a linter printed, empty if it accepted everything."""
    return (result.output.rstrip("\n") or f"exited with {result.returncode}") if result.returncode else ""


def commands(work: Workspace, scripts: list[str]) -> dict[str, list[str]]:
    """Return each linter's command, the longest first."""
    present = [name for name in LINTED if (work.root / name).exists()]
    # A linter's memory names files by their paths in the checkout and their content, so every checkout may share it;
    # other versions of the linters and of what mypy reads have another.
    versions = hashlib.sha256((work.root / "locks/test.txt").read_bytes()).hexdigest()[:16]
    mypy, ruff = (str(cache_folder(name, versions)) for name in ("mypy", "ruff"))
    return {
        "mypy": [sys.executable, "-m", "mypy", "--cache-dir", mypy],
        "shellcheck": [python_program("shellcheck"), "--external-sources", *SHELL_PATHS, *scripts],
        "ruff check": [python_program("ruff"), "check", "--cache-dir", ruff, *present],
        "ruff format": [python_program("ruff"), "format", "--check", "--quiet", "--cache-dir", ruff, *present],
    }


def ask(argv: list[str], work: Workspace) -> Result:
    """Run one linter."""
    return run(argv, cwd=work.root, timeout=LINT_SECONDS, check=False)


def shell_scripts(work: Workspace) -> list[Path]:
    """Return every file of the project that is a shell script, or is marked as a part of one."""
    names = [name for name in project_files(work.root) if not name.endswith((".j2", ".py", ".md"))]
    return [work.root / name for name in names if is_shell((work.root / name).read_bytes())]


def is_shell(content: bytes) -> bool:
    """Return whether the first line is a shebang of sh, or one of the first lines is shellcheck's mark."""
    return content.startswith(SHELL_MARKS[0]) or any(line.startswith(SHELL_MARKS) for line in content.splitlines()[:12])
