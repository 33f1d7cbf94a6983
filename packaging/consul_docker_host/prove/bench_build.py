"""Benchmark commands: time them in turn, round by round, and compare their medians as ratios of one run."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.programs import Fpm, find_fpm
from consul_docker_host.core.report import say, stage, table
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import PROJECT, Workspace

COPIED = ("files", "packaging", "locks", "pyproject.toml", "tasks.py", "CHANGELOG.md")
# Prints the seconds of the work between the imports and the end.
OWN_WORK = """
import sys, time
sys.path.insert(0, "packaging")
from pathlib import Path
from consul_docker_host.backends import choose_backend
from consul_docker_host.build import artefacts
from consul_docker_host.core import workspace
from consul_docker_host.settings.load import project_settings
begin = time.perf_counter()
work = workspace.Workspace(root=Path.cwd())
artefacts.build(work, project_settings(work), choice=choose_backend("nfpm"), targets=artefacts.TARGETS, key="")
print(time.perf_counter() - begin)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """The ratio of two times, and its goal."""

    label: str
    value: float
    goal: float

    def row(self) -> tuple[str, str, str, str]:
        """Return the cells of the ratio's line."""
        verdict = "met" if self.value <= self.goal else "missed"
        return f"{self.value:.2f}", f"<= {self.goal:.2f}", verdict, self.label


def build(work: Workspace, *, rounds: int) -> None:
    """Time builds, bare fpm calls and bare Invoke ``rounds`` times in turn, and print the ratios of their medians."""
    fpm = find_fpm()
    if not fpm:
        raise BuildError("fpm is not installed, but the benchmark compares with it", hint="./inv setup.fpm installs it")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        copy = Path(name, "copy")
        copy_project(work.root, copy)
        with stage(f"{rounds} rounds"):
            medians = measure(jobs(copy, Path(name), fpm), rounds)
    for line in table(("seconds", "command (median)"), [(f"{value:.3f}", label) for label, value in medians.items()]):
        say(line)
    say("")
    for line in table(("ratio", "goal", "verdict", "of"), [ratio.row() for ratio in ratios(medians)]):
        say(line)


def copy_project(root: Path, copy: Path) -> None:
    """Copy the inputs of a build, so that the user's build/ and dist/ are unchanged."""
    copy.mkdir()
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(root / name, copy / name)


def jobs(copy: Path, scratch: Path, fpm: Fpm) -> dict[str, Callable[[], float]]:
    """Return the timed jobs by name; a call runs the job once and returns its seconds."""
    invoke = [sys.executable, "-m", "invoke"]
    tree = copy / "build" / PROJECT / "tree"

    def command(*argv: str, forget: bool = False, env: Mapping[str, str] | None = None) -> Callable[[], float]:
        def timed() -> float:
            if forget:
                (copy / "build" / "built.json").unlink(missing_ok=True)
            begin = time.perf_counter()
            run(argv, cwd=copy, env=env)
            return time.perf_counter() - begin

        return timed

    def bare(package_format: str) -> Callable[[], float]:
        out = str(scratch / f"bare.{package_format}")
        argv = (str(fpm.program), "-f", "-s", "dir", "-t", package_format, "-n", PROJECT, "-v", "1", "-a", "all")
        return command(*argv, "-C", str(tree), "-p", out, ".", env={**fpm.environment, "TMPDIR": str(scratch)})

    return {
        'python -c "import invoke"': command(sys.executable, "-c", "import invoke"),
        "inv --list": command(*invoke, "--list"),
        "inv build --backend nfpm": command(*invoke, "build", "--backend", "nfpm", forget=True),
        "inv build --backend nfpm, nothing changed": command(*invoke, "build", "--backend", "nfpm"),
        "own work with nfpm, after the imports": lambda: float(
            run([sys.executable, "-c", OWN_WORK], cwd=copy).stdout.split()[-1]
        ),
        "bare fpm, deb": bare("deb"),
        "bare fpm, rpm": bare("rpm"),
        "inv build --backend fpm": command(*invoke, "build", "--backend", "fpm", forget=True),
    }


def measure(timed: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Run every job once without timing and then ``rounds`` times in turn; return each job's median in seconds."""
    # The bare calls pack a tree that a build has written, so builds warm up first.
    for label in sorted(timed, key=lambda label: label.startswith("bare")):
        timed[label]()
    seconds: dict[str, list[float]] = {label: [] for label in timed}
    for _ in range(rounds):
        for label, job in timed.items():
            seconds[label].append(job())
    return {label: statistics.median(values) for label, values in seconds.items()}


def ratios(medians: Mapping[str, float]) -> tuple[Ratio, ...]:
    """Return the ratios that have goals."""
    start, listing, nfpm, unchanged, own, deb, rpm, fpm = medians.values()
    return (
        Ratio(label="inv --list / import invoke", value=listing / start, goal=1.5),
        Ratio(label="nothing changed / inv --list", value=unchanged / listing, goal=1.2),
        Ratio(label="own work with nfpm / one bare fpm call", value=own / deb, goal=0.5),
        Ratio(label="inv build --backend nfpm / one bare fpm call", value=nfpm / deb, goal=2.0),
        Ratio(
            label="inv build --backend fpm beyond the start / two bare fpm calls",
            value=(fpm - listing) / (deb + rpm),
            goal=1.3,
        ),
    )
