"""Story: the packages go into an image that a cloud already has, without booting it, and it boots as a host."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.image import write_image
from consul_docker_host.image.bake import copy_over
from consul_docker_host.image.bootstrap import base_of, lay_over
from consul_docker_host.image.request import read_request, with_packages
from tests.image.kit import Made, alone, assert_clean, image_of, inv_image, kill_image, leftovers, moments, new_machine
from tests.support.packages import SERVER_SETTINGS

EPOCH = 1_700_000_000
# What no cloud's image has.
LATER = ("docker.io", "docker-cli", "apparmor", "iptables", "dnsmasq", "nftables", "python3")
KILLS = 10

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, suite: str) -> Iterator[Path]:
    """Give an image as a cloud has it: cloud-init, and neither Docker nor dnsmasq nor anything of ours."""
    work = Workspace(root=ROOT)
    asked: dict[str, Any] = {"suite": suite, "kind": "qcow2", "size": "3G", "given": "", "mirror": ""}
    whole = with_packages(work, read_request(work, **asked, preload=[], is_bios=False), Path)
    packages = tuple(name for name in whole.packages if name not in LATER)
    request = dataclasses.replace(whole, packages=packages)
    folder = tmp_path_factory.mktemp("cloud")
    scripts = work.packaging / "images"
    image = folder / "cloud.qcow2"
    with base_of(request, epoch=EPOCH, fresh=False) as base, lay_over(base, folder / "opened") as root:
        copy_over(scripts / "tree", root.tree)
        for script in ("base.sh", "seal.sh"):
            root.step(scripts / script, epoch=EPOCH)
        write_image(work, request, root, image, inputs={"what": "cloud"}, epoch=EPOCH)
    yield image
    image.unlink()


@pytest.fixture(scope="module")
def filled(made: Made, cloud: Path, preload: tuple[Path, ...]) -> Path:
    """Give the image with all in it; the one that it was made of is as it was."""
    before = hashlib.sha256(cloud.read_bytes()).hexdigest()
    done = inv_image(made.work, f"--base={cloud}", f"--preload={','.join(map(str, preload))}", "--no-proof")
    assert done.returncode == 0, done.output
    assert hashlib.sha256(cloud.read_bytes()).hexdigest() == before
    assert leftovers(made) == []
    (image,) = (made.work.dist / "images").glob("*-cloud.qcow2")
    return image


def test_all_that_it_lacked_is_in_it_and_nobody_s_identity(filled: Path, made: Made) -> None:
    manifest = Made(work=made.work, image=filled).manifest
    packages = {name.partition(":")[0] for name in manifest.packages}
    assert {"consul-docker-host", "consul", "docker.io", "dnsmasq", "nftables"} <= packages
    assert [path for path in manifest.files if path.startswith(("etc/ssh/ssh_host_", "var/lib/apt/lists/"))] == []
    assert "usr/sbin/policy-rc.d" not in manifest.files
    # What a system under construction has for its programs is none of its files.
    left = [path for path in manifest.files if path.startswith(("run/", "tmp/", "proc/", "dev/"))]
    assert [path for path in left if manifest.files[path].startswith("f ")] == []


def test_its_file_systems_are_clean(filled: Path, tmp_path: Path) -> None:
    assert_clean(filled, tmp_path)


def test_it_boots_as_a_healthy_host(filled: Path, tmp_path: Path) -> None:
    settings = dict(line.split("=", 1) for line in SERVER_SETTINGS.split())
    machine = new_machine(filled, tmp_path / "filled", name="filled", settings=settings, network=alone())
    machine.switch_on()
    try:
        assert machine.wait_for_boot(1)["state"] == "ok", machine.report()
    finally:
        machine.cut_power()


def test_one_that_is_killed_at_any_moment_leaves_no_mount_no_loop_device_and_no_image(
    made: Made, cloud: Path, tmp_path: Path
) -> None:
    options = (f"--base={cloud}", "--format=raw")
    for number, wait in enumerate(moments(made, *options, number=KILLS)):
        kill_image(made, tmp_path / f"log-{number}", wait, *options)


def test_an_image_that_is_none_is_told_and_leaves_nothing(made: Made, cloud: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.qcow2"
    data = bytearray(cloud.read_bytes())
    # The clusters' first table goes to nowhere.
    data[40:48] = b"\xff" * 8
    broken.write_bytes(data)
    done = inv_image(made.work, f"--base={broken}", "--no-proof")
    assert done.returncode == 1
    assert f"--base {broken}: " in done.output
    assert "Traceback" not in done.output
    assert leftovers(made) == []
    assert image_of(made.work).exists()
