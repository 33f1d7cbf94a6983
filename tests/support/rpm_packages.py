"""Our rpm in other forms than dist/ has it: by each backend, and as earlier versions with other files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from consul_docker_host import formats
from consul_docker_host.backends import choose_backend
from consul_docker_host.build import make_plan
from consul_docker_host.workspace import ROOT, Workspace

READ = ("files", "packaging", "CHANGELOG.md", "LICENSE")
Change = Callable[[Workspace], None]


def build_rpm(folder: Path, backend: str, *, settings: str = "", change: Change | None = None) -> Path:
    """Build the rpm from a copy of the checkout in ``folder`` and return it.

    ``settings`` is the text of a settings file; ``change`` may edit the copy first.
    """
    work = Workspace(root=folder)
    for name in READ:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    if change:
        change(work)
    override = folder / "override.toml"
    override.write_text(settings, encoding="utf-8")
    plan = make_plan(work, override)
    out = folder / formats.artefact_name(plan, "rpm")
    choose_backend(backend).backend.build(plan, "rpm", out)
    return out
