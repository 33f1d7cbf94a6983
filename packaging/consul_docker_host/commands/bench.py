"""The benchmark tasks."""

# ruff: noqa: PLC0415 - heavy modules are imported where they are needed
from __future__ import annotations

from consul_docker_host.commands.build import build_all
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace


def bench_build(*, rounds: str = "7") -> None:
    """Benchmark a build against bare fpm calls and bare Invoke."""
    from consul_docker_host.prove import bench_build

    bench_build.build(Workspace(), rounds=rounds_of(rounds))


def bench_repository(*, rounds: str = "7") -> None:
    """Benchmark adding a package to a repository of 2,000, compared with apt-ftparchive."""
    from consul_docker_host.prove.bench_repository import repository

    repository(Workspace(), rounds=rounds_of(rounds))


def bench_image(*, suite: str = "bookworm", with_: str = "", rounds: str = "3") -> None:
    """Benchmark making an image, with and without a cached base, against bare mmdebstrap."""
    from consul_docker_host.prove import bench_image as benchmark

    build_all()
    benchmark.image(Workspace(), suite=suite, given=with_, rounds=rounds_of(rounds))


def bench_host(*, rounds: str = "5") -> None:
    """Benchmark boot, DNS and service start on virtual machines, with and without the package."""
    _figures("vm", "vm/bench_host.py", rounds=rounds)


def bench_install(*, rounds: str = "5") -> None:
    """Benchmark an install against the same package without maintainer scripts."""
    _figures("install", "install/bench_install.py", rounds=rounds)


def bench_deploy(*, rounds: str = "3") -> None:
    """Benchmark a deploy to fifty hosts against bare ssh running the same commands."""
    _figures("deploy", "deploy/bench_deploy.py", rounds=rounds)


def bench_check(*, rounds: str = "9") -> None:
    """Benchmark check, status and Consul's rendering on a host, compared with the same in shell."""
    _figures("unit", "host/bench_check.py", rounds=rounds)
    _figures("unit", "host/bench_render.py", rounds=rounds)


def bench_test() -> None:
    """Compare the last complete run of each test suite with tests/budget.toml."""
    from consul_docker_host.prove import budget, suites

    budget.compare(Workspace(), suites.EVERYTHING)


def _figures(suite: str, file: str, *, rounds: str) -> None:
    from consul_docker_host.prove import suites

    count = rounds_of(rounds)
    suites.prepare(Workspace(), (suite,))
    build_all()
    if not suites.run_figures(Workspace(), file, rounds=count):
        raise BuildError("the benchmark failed", hint="see the messages above")


def rounds_of(text: str) -> int:
    """Return the number of rounds that ``--rounds`` gives."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1000):
        raise BuildError(f"--rounds {text}: must be between 1 and 999")
    return int(text)
