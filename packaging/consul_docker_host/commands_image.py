"""The tasks that make disk images, one function a task, as `commands` has all others."""

# ruff: noqa: PLC0415 - heavy modules are imported where they are needed
from __future__ import annotations

from pathlib import Path

from consul_docker_host.commands import build_all
from consul_docker_host.errors import BuildError
from consul_docker_host.report import say
from consul_docker_host.workspace import Workspace


def make_image(  # noqa: PLR0913 - one for each option
    *,
    suite: str = "bookworm",
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
    """Make a disk image with the package, Docker, dnsmasq and Consul in dist/images/, and boot it."""
    from consul_docker_host import image
    from consul_docker_host.image.request import read_request

    if accel not in ("tcg", "kvm"):
        raise BuildError(f"--accel {accel}: unknown", hint="tcg, which works everywhere, or kvm")
    build_all(settings=settings)
    work = Workspace()
    request = read_request(
        work,
        suite=suite,
        kind=format,
        size=size,
        given=with_,
        preload=[part for part in preload.split(",") if part],
        mirror=mirror,
        is_bios=bios,
    )
    image.make_image(work, request, fresh=fresh, has_proof=proof, is_emulated=accel == "tcg")


def compare_images(*, old: str = "", new: str = "") -> None:
    """Tell by what two images differ, from the manifests beside them; nothing is said of equal ones."""
    from consul_docker_host.image.manifest import differences, read_manifest

    for line in differences(read_manifest(Path(old)), read_manifest(Path(new))):
        say(line)


def make_ami(*, image: str = "", region: str = "", name: str = "", dry: bool = False) -> None:
    """Make an AMI of a raw image by EBS's direct API; --dry prints every call and makes none."""
    from consul_docker_host.image import ami

    wanted = ami.read_ami(Path(image), name)
    if dry:
        for line in ami.plan(wanted):
            say(line)
        return
    say(f"{ami.make_ami(wanted, region=region)}  {wanted.name}")
