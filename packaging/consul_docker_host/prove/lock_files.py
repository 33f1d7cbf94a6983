"""Write locks/: resolve everything in pyproject.toml together, then write one file with hashes for each group."""

from __future__ import annotations

import re
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from consul_docker_host.core.environment import BUILD, Environment, fetching_environment
from consul_docker_host.core.programs import python_program
from consul_docker_host.core.report import say, stage
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace, write_text

# The lowest Python that pyproject.toml allows; a lock is valid for every newer one, on every system and processor.
PYTHON = "3.11"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
# The caller's settings of uv for its index; none of them is written into a lock.
UV_SETTINGS = (
    *("CACHE_DIR", "CONFIG_FILE", "DEFAULT_INDEX", "EXTRA_INDEX_URL", "FIND_LINKS", "INDEX", "INDEX_URL"),
    *("INSECURE_HOST", "KEYRING_PROVIDER", "NATIVE_TLS", "NO_INDEX", "SYSTEM_CERTS"),
)


def write_locks(work: Workspace, *, upgrade: bool = False, uv: str = "") -> None:
    """Resolve all groups together and write a lock for each; locked packages keep their versions unless ``upgrade``.

    ``uv`` is the program to run (default: this environment's own).
    """
    uv = uv or python_program("uv")
    environment = Environment(root=work.root)
    groups = (BUILD, *read_groups(work))
    with tempfile.TemporaryDirectory(prefix="locks-") as name, stage("resolving all groups"):
        union = Path(name, "all.txt")
        if not upgrade:
            # uv keeps the versions that its output file already names, if they are still allowed.
            union.write_text("".join(f"{pin}\n" for pin in locked_pins(environment, groups)), encoding="utf-8")
        _run_uv(work, uv, union_command(groups, union))
        # All texts are complete before one is written, because locks that disagree are worse than old ones.
        texts = {group: _run_uv(work, uv, lock_command(group, union, Path(name, f"{group}.txt"))) for group in groups}
    for group, text in texts.items():
        write_text(environment.lock(group), text)
        say(f"locks/{group}.txt: {len(PIN.findall(text))} packages")
    written = {environment.lock(group) for group in groups}
    for path in sorted(set(environment.lock(BUILD).parent.glob("*.txt")) - written):
        path.unlink()
        say(f"locks/{path.name}: removed, pyproject.toml has no such group")


def read_groups(work: Workspace) -> tuple[str, ...]:
    """Return the names of the groups that pyproject.toml declares beside a build's packages."""
    project = tomllib.loads((work.root / "pyproject.toml").read_text(encoding="utf-8"))
    return tuple(project["dependency-groups"])


def locked_pins(environment: Environment, groups: Sequence[str]) -> list[str]:
    """Return the current pins of all locks as NAME==VERSION, each once."""
    paths = [path for path in map(environment.lock, groups) if path.is_file()]
    return sorted({match[0] for path in paths for match in PIN.finditer(path.read_text(encoding="utf-8"))})


def union_command(groups: Sequence[str], output: Path) -> list[str]:
    """Return uv's arguments that resolve a build's packages together with every group."""
    return ["pyproject.toml", *(f"--group={group}" for group in groups if group != BUILD), f"--output-file={output}"]


def lock_command(group: str, union: Path, output: Path) -> list[str]:
    """Return uv's arguments that write one group's lock with the versions of the union."""
    source = "pyproject.toml" if group == BUILD else f"--group={group}"
    return [source, f"--constraints={union}", "--generate-hashes", f"--output-file={output}"]


def _run_uv(work: Workspace, uv: str, arguments: Sequence[str]) -> str:
    """Run `uv pip compile` and return what it wrote to its output file."""
    # Header and annotations are left out, because both would name temporary files.
    options = ["--universal", f"--python-version={PYTHON}", "--no-header", "--no-annotate", "--quiet"]
    python = [f"--python={sys.executable}", "--no-python-downloads"]
    argv = [uv, "pip", "compile", *options, *python, *arguments]
    run(argv, cwd=work.root, env=fetching_environment("UV", UV_SETTINGS))
    return Path(arguments[-1].partition("=")[2]).read_text(encoding="utf-8")
