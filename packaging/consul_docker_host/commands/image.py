"""The tasks that build disk images and other files for a machine's first boot."""

# ruff: noqa: PLC0415 - heavy modules are imported where they are needed
from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from consul_docker_host.commands.build import build_all, read_settings
from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.core.report import say
from consul_docker_host.core.workspace import Workspace, only_one, write_text

if TYPE_CHECKING:
    from consul_docker_host.package.plan import Plan

NO_CONSUL = "add --with consul=FILE (./inv consul builds one), or --no-proof for machines that get Consul later"


def make_image(  # noqa: PLR0913 - one for each option
    *,
    suite: str = "",
    base: str = "",
    format: str = "qcow2",  # noqa: A002 - the option's name
    with_: str = "",
    preload: str = "",
    size: str = "",
    mirror: str = "",
    bios: bool = False,
    fresh: bool = False,
    proof: bool = True,
    accel: str = "tcg",
    settings: str = "",
) -> None:
    """Build a disk image with the package, Docker and Consul into dist/images/, and boot-test it."""
    from consul_docker_host import image
    from consul_docker_host.consul_release.release import package_of
    from consul_docker_host.image.request import read_request, with_packages
    from consul_docker_host.settings.load import project_settings

    work, mistakes = Workspace(), Mistakes()
    with mistakes.collected():
        _refuse_proof(accel=accel, has_consul=bool(with_ or base), has_proof=proof and format != "tar")
    with mistakes.collected():
        request = read_request(
            work,
            suite=suite,
            kind=format,
            size=size,
            given=with_,
            preload=[part for part in preload.split(",") if part],
            mirror=mirror,
            is_bios=bios,
            base=base,
        )
    with mistakes.collected():
        read_settings(work, settings)
    mistakes.refuse()
    build_all(settings=settings)
    with tempfile.TemporaryDirectory(prefix="consul-") as folder:

        def pack(program: Path) -> Path:
            return package_of(work, project_settings(work), program, Path(folder))

        request = with_packages(work, request, pack)
        image.make_image(work, request, fresh=fresh, has_proof=proof, is_emulated=accel == "tcg")


def _refuse_proof(*, accel: str, has_consul: bool, has_proof: bool) -> None:
    """Raise one BuildError with every mistake in the options of the boot test."""
    mistakes = Mistakes()
    with mistakes.collected():
        if accel not in ("tcg", "kvm"):
            raise BuildError(f"--accel {accel}: unknown accelerator", hint="use tcg, which works everywhere, or kvm")
    with mistakes.collected():
        if has_proof and not has_consul:
            raise BuildError("the image would contain no Consul, and the boot test needs one", hint=NO_CONSUL)
    mistakes.refuse()


def compare_images(*, old: str = "", new: str = "") -> None:
    """Show the differences between two images by their manifests."""
    from consul_docker_host.image.manifest import differences, read_manifest

    mistakes = Mistakes()
    with mistakes.collected():
        before = read_manifest(Path(old))
    with mistakes.collected():
        after = read_manifest(Path(new))
    mistakes.refuse()
    for line in differences(before, after):
        say(line)


def make_ami(*, image: str = "", region: str = "", name: str = "", dry: bool = False) -> None:
    """Upload a raw image through EBS's direct API and register it as an AMI."""
    from consul_docker_host.image import ami

    mistakes = Mistakes()
    with mistakes.collected():
        wanted = ami.read_ami(Path(image), name)
    with mistakes.collected():
        if not dry:
            session = ami.open_session(region)
    mistakes.refuse()
    if dry:
        for line in ami.plan(wanted):
            say(line)
        return
    say(f"{ami.make_ami(wanted, session)}  {wanted.name}")


def make_ignition(*, settings: str = "") -> None:
    """Write an Ignition configuration for Fedora CoreOS and Flatcar into dist/ignition/."""
    from consul_docker_host.snippets.ignition import ignition

    work, plan = _planned(settings)
    target = work.dist / "ignition" / f"{plan.name}.ign"
    write_text(target, ignition(plan))
    say(f"{target.relative_to(work.root)}: {target.stat().st_size / 1024:.1f} KiB")


def make_confext(*, settings: str = "") -> None:
    """Write the configuration as a confext, for hosts with a read-only /etc, into dist/confext/."""
    from consul_docker_host.core.workspace import fresh_folder
    from consul_docker_host.snippets.confext import write_confext

    work, plan = _planned(settings)
    with only_one(work), fresh_folder(work) as folder:
        image = write_confext(plan, Path(folder))
        target = work.dist / "confext" / image.name
        target.parent.mkdir(parents=True, exist_ok=True)
        image.chmod(0o644)
        image.replace(target)
    say(f"{target.relative_to(work.root)}: {target.stat().st_size / 1024:.1f} KiB")


def _planned(settings: str) -> tuple[Workspace, Plan]:
    from consul_docker_host.package.plans import make_plan

    work = Workspace()
    chosen = read_settings(work, settings)
    with only_one(work):
        return work, make_plan(chosen, work)
