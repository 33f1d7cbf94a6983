"""The build tasks, one function each: ``inv --list`` shows the first line of its docstring.

Heavy modules are imported where they are needed, because ``inv --list`` and a build that is up to date need none.
"""

# ruff: noqa: PLC0415 - see above
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from consul_docker_host.build import last
from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.core.programs import install_fpm
from consul_docker_host.core.report import say
from consul_docker_host.core.workspace import Workspace, only_one

if TYPE_CHECKING:
    from consul_docker_host.settings.model import Settings


def build_all(*, backend: str = "auto", settings: str = "") -> None:
    """Build the deb, the rpm and the cloud-init snippets into dist/."""
    _build("deb", "rpm", "cloud-init", backend=backend, settings=settings)


def build_deb(*, backend: str = "auto", settings: str = "") -> None:
    """Build only the deb."""
    _build("deb", backend=backend, settings=settings)


def build_rpm(*, backend: str = "auto", settings: str = "") -> None:
    """Build only the rpm."""
    _build("rpm", backend=backend, settings=settings)


def build_cloud_init(*, settings: str = "") -> None:
    """Build only the cloud-init snippets; package.yaml names the packages in dist/."""
    _build("cloud-init", backend="nfpm", settings=settings)


def _build(*targets: str, backend: str, settings: str) -> None:
    work, override, key = Workspace(), Path(settings) if settings else None, ""
    # A pipe can be read only once, and a missing file is reported together with all other mistakes.
    if override is None or override.is_file():
        key = last.build_key(work, backend=backend, targets=targets, settings=override)
        former = last.last_build(work)
        if former and last.is_current(work, former, key):
            for line in (*former.lines, "up to date: nothing has changed since the last build"):
                say(line)
            return
    from consul_docker_host.backends import choose_backend
    from consul_docker_host.build.artefacts import build

    mistakes = Mistakes()
    with mistakes.collected():
        choice = choose_backend(backend)
    with mistakes.collected():
        chosen = read_settings(work, settings)
    mistakes.refuse()
    build(work, chosen, choice=choice, targets=targets, key=key)


def read_settings(work: Workspace, settings: str) -> Settings:
    """Return the settings, overridden by the file of --settings.

    One BuildError lists the mistakes in them and in the descriptions of the packages.
    """
    from consul_docker_host.package.plans import check_descriptions
    from consul_docker_host.settings.load import project_settings

    mistakes = Mistakes()
    with mistakes.collected():
        chosen = project_settings(work, settings_path(settings))
    with mistakes.collected():
        check_descriptions(work)
    mistakes.refuse()
    return chosen


def settings_path(settings: str) -> Path | None:
    """Return the file that --settings names; None if it is not given."""
    if not settings:
        return None
    path, hint = Path(settings), "give a TOML file; packaging/settings.toml explains every key"
    if path.is_dir():
        raise BuildError(f"--settings {settings}: is a directory", hint=hint)
    if not path.exists():
        raise BuildError(f"--settings {settings}: no such file", hint=hint)
    return path


def render(*, settings: str = "") -> None:
    """Render the package tree into build/consul-docker-host/tree, for inspection."""
    from consul_docker_host.package.plans import make_plan
    from consul_docker_host.verify import validate_tree, verdict_lines

    work = Workspace()
    chosen = read_settings(work, settings)
    with only_one(work):
        plan = make_plan(chosen, work)
        answers = validate_tree(plan)
    for entry in plan.entries:
        say(f"{entry.mode:04o}  {'conffile' if entry.is_conffile else '':8}  /{entry.path}")
    size = sum(entry.size for entry in plan.entries)
    say(f"{plan.tree.relative_to(work.root)}: {len(plan.entries)} files, {size / 1024:.1f} KiB")
    for line in verdict_lines(answers):
        say(line)


def setup_fpm() -> None:
    """Install fpm into the user's cache, from RubyGems or the directory in FPM_GEMS."""
    say(f"fpm: {install_fpm().program}")


def lock(*, upgrade: bool = False) -> None:
    """Write locks/ from pyproject.toml: every package that a task needs, with its hashes."""
    from consul_docker_host.prove.lock_files import write_locks

    write_locks(Workspace(), upgrade=upgrade)


def clean() -> None:
    """Remove build/ and dist/, except the published repository."""
    import shutil

    work = Workspace()
    shutil.rmtree(work.build, ignore_errors=True)
    # Only the repository contains every version that was ever published.
    kept = work.dist / "repository"
    if not kept.is_dir():
        shutil.rmtree(work.dist, ignore_errors=True)
        return
    for path in work.dist.iterdir():
        if path != kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    say(f"kept {kept.relative_to(work.root)}/: remove it yourself if no host uses it")
