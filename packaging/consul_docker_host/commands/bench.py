"""The tasks that measure."""

# ruff: noqa: PLC0415 - heavy modules are imported where they are needed
from __future__ import annotations

from consul_docker_host.commands.build import build_all
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace


def bench_build(*, rounds: str = "7") -> None:
    """Measure a build against bare fpm calls and bare Invoke, as ratios in one run."""
    from consul_docker_host.prove import bench_build

    bench_build.build(Workspace(), rounds=rounds_of(rounds))


def bench_repository(*, rounds: str = "7") -> None:
    """Measure how long one more package takes among 2,000, beside apt-ftparchive with its cache in one run."""
    from consul_docker_host.prove.bench_repository import repository

    repository(Workspace(), rounds=rounds_of(rounds))


def bench_image(*, suite: str = "bookworm", with_: str = "", rounds: str = "3") -> None:
    """Measure a bake, from nothing and from the cached base, against bare mmdebstrap in one run."""
    from consul_docker_host.prove import bench_image as benchmark

    build_all()
    benchmark.image(Workspace(), suite=suite, given=with_, rounds=rounds_of(rounds))


def bench_host(*, rounds: str = "5") -> None:
    """Measure boot, DNS and start-to-answer on booted machines, with and without the package in one run."""
    _figures("vm", "vm/bench_host.py", rounds=rounds)


def bench_install(*, rounds: str = "5") -> None:
    """Measure how long an install takes beside one of the same files without scripts in one run."""
    _figures("install", "install/bench_install.py", rounds=rounds)


def bench_deploy(*, rounds: str = "3") -> None:
    """Measure a deploy to fifty hosts with sshd beside bare ssh that runs the same commands in one run."""
    _figures("deploy", "deploy/bench_deploy.py", rounds=rounds)


def _figures(suite: str, file: str, *, rounds: str) -> None:
    from consul_docker_host.prove import suites

    count = rounds_of(rounds)
    suites.prepare(Workspace(), (suite,))
    build_all()
    if not suites.run_figures(Workspace(), file, rounds=count):
        raise BuildError("the figures could not all be taken", hint="what happened stands above")


def rounds_of(text: str) -> int:
    """Return how often something is timed."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1000):
        raise BuildError(f"--rounds {text}: is not a number from 1 to 999")
    return int(text)
