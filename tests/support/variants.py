"""Our package in other forms than dist/ has it: by each backend, and as earlier versions with other files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from consul_docker_host.backends import choose_backend
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.package import control
from consul_docker_host.package.description import Format
from consul_docker_host.package.plans import make_plan
from consul_docker_host.settings.load import project_settings

READ = ("files", "packaging", "CHANGELOG.md", "LICENSE")
Change = Callable[[Workspace], None]
OLD_UNIT = "consul-docker-host-old.service"
OLD_CONFFILE = "/etc/consul-docker-host/old.env"


def build_variant(
    folder: Path,
    package_format: Format,
    *,
    backend: str = "nfpm",
    settings: str = "",
    change: Change | None = None,
) -> Path:
    """Build the package from a copy of the checkout in ``folder``, which must be new, and return it.

    ``settings`` is the text of a settings file; ``change`` may edit the copy first.
    """
    work = Workspace(root=folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in READ:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    if change:
        change(work)
    override = folder / "override.toml"
    override.write_text(settings, encoding="utf-8")
    plan = make_plan(project_settings(work, override), work)
    out = folder / control.artefact_name(plan, package_format)
    choose_backend(backend).backend.build(plan, package_format, out)
    return out


def earlier_version(folder: Path, package_format: Format) -> Path:
    """Build version 0.0.9: other scripts and conffiles, and a unit and a conffile that later versions do not have."""

    def change(work: Workspace) -> None:
        units = work.files / "usr/lib/systemd/system"
        (units / OLD_UNIT).write_text("[Service]\nExecStart=/bin/sleep infinity\n")
        target = units / "consul-docker-host.target.j2"
        target.write_text(target.read_text().replace("[Install]", f"Wants={OLD_UNIT}\n\n[Install]"))
        (work.files / OLD_CONFFILE.lstrip("/")).write_text("OLD=1\n")
        for path, comment in (
            (work.files / "usr/lib/consul-docker-host/watch", "# earlier\n"),
            (work.files / "etc/dnsmasq.d/consul.conf.j2", "# earlier\n"),
        ):
            path.write_text(path.read_text() + comment)

    settings = '[package]\nversion = "0.0.9"\n'
    return build_variant(folder, package_format, settings=settings, change=change)
