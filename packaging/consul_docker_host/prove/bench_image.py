"""Benchmark an image from a fresh base and one from the cached base, compared with bare mmdebstrap in one run."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from consul_docker_host.core.report import say, stage, table
from consul_docker_host.core.run import network_environment, run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.image.bootstrap import BOOTSTRAP_SECONDS, mmdebstrap_command
from consul_docker_host.image.request import check_machine, read_request, with_packages
from consul_docker_host.prove.bench_build import Ratio, copy_project, measure

GOAL_FRESH = 1.3
GOAL_SECONDS = 20.0


def image(work: Workspace, *, suite: str, given: str, rounds: int) -> None:
    """Time the three commands ``rounds`` times in turn, without the boot test, and print medians and goals."""
    options: dict[str, Any] = {"suite": suite, "kind": "raw", "size": "", "given": given, "mirror": ""}
    # `inv image` makes a package of a program; the comparison leaves this step out.
    request = with_packages(work, read_request(work, **options, preload=[], is_bios=False), lambda program: program)
    check_machine(request, work.dist)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=work.dist) as name:
        copy, target = Path(name, "copy"), Path(name, "bare")
        copy_project(work.root, copy)
        (copy / "dist").mkdir()
        shutil.copy(request.debs[-1], copy / "dist")
        wanted = [f"--suite={suite}", "--format=raw", "--no-proof", f"--with={given}"]
        jobs: dict[str, Callable[[], float]] = {
            "bare mmdebstrap of the same packages": lambda: bare(mmdebstrap_command(request, target), target),
            "inv image --fresh": lambda: bake_image(copy, [*wanted, "--fresh"]),
            "inv image, base from the cache": lambda: bake_image(copy, wanted),
        }
        with stage(f"{rounds} rounds"):
            medians = measure(jobs, rounds)
    for line in table(("seconds", "command (median)"), [(f"{value:.1f}", label) for label, value in medians.items()]):
        say(line)
    alone, fresh, cached = medians.values()
    ratio = Ratio(label="inv image --fresh / bare mmdebstrap", value=fresh / alone, goal=GOAL_FRESH)
    seconds = Ratio(label="seconds from the cached base to the image", value=cached, goal=GOAL_SECONDS)
    say("")
    for line in table(("figure", "goal", "verdict", "of"), [ratio.row(), seconds.row()]):
        say(line)


def bare(command: Sequence[str], target: Path) -> float:
    """Run mmdebstrap alone and return its seconds."""
    shutil.rmtree(target, ignore_errors=True)
    begin = time.perf_counter()
    run(command, timeout=BOOTSTRAP_SECONDS, env=network_environment())
    return time.perf_counter() - begin


def bake_image(copy: Path, options: Sequence[str]) -> float:
    """Build an image in a copy of the project and return the command's seconds."""
    kept = {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME") if name in os.environ}
    begin = time.perf_counter()
    argv = [sys.executable, "-m", "invoke", "image", *options]
    run(argv, cwd=copy, timeout=BOOTSTRAP_SECONDS, env={**network_environment(), **kept})
    return time.perf_counter() - begin
