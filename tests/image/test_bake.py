"""Story: an image is made: what is in it, what is nobody's yet, the same again, and no trace of a broken one."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import cache_folder
from consul_docker_host.image.bootstrap import CACHE
from consul_docker_host.image.manifest import Manifest, differences, digest_of, read_manifest
from consul_docker_host.prove.consul_binary import VERSION, consul_binary
from tests.image.kit import (
    Made,
    assert_clean,
    image_of,
    images_of,
    inv_image,
    kill_image,
    kill_image_at,
    leftovers,
    manifest_of,
    moments,
    scratch_of,
    start_image,
    wait_for_work,
)
from tests.support.speed import scaled
from tests.unit.kit import inv

# SHA-256 of nothing.
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
KILLS_LONG = 10
# In a bake's scratch folder: the root is open; its file system is being written.
OPENED, DISK = "/opened/ready", "/*.disk"
# Puts a layer over dist/images in a mount namespace of its own, and moves what was made there down to where it belongs.
LAYERED = """
set -e
mkdir -p dist/layer
mount -t tmpfs tmpfs dist/layer
mkdir dist/layer/upper dist/layer/work
mount -t overlay overlay -o lowerdir=dist/images,upperdir=dist/layer/upper,workdir=dist/layer/work dist/images
"$@"
umount dist/images
cp -a dist/layer/upper/. dist/images/
"""


def test_the_image_has_all_four_and_its_own_documents(made: Made, suite: str) -> None:
    packages = {name.partition(":")[0] for name in made.manifest.packages}
    assert {"consul-docker-host", "consul", "docker.io", "dnsmasq", "cloud-init"} <= packages
    listed = json.loads(made.image.with_name(f"{made.image.name}.spdx.json").read_text())["packages"]
    assert {one["name"] for one in listed} == packages
    digest, name = made.image.with_name(made.image.name + ".sha256").read_text().split()
    assert run(["sha256sum", str(made.image)]).stdout.split()[0] == digest
    assert (name, suite in name) == (made.image.name, True)


def test_what_must_be_each_host_s_own_is_not_in_it(made: Made) -> None:
    files = made.manifest.files
    assert files["etc/machine-id"].endswith(EMPTY)
    bad = [
        path
        for path in files
        if path.startswith(("etc/ssh/ssh_host_", "var/lib/cloud/", "opt/consul/", "var/tmp/", "tmp/", "root/."))
        and not path.startswith(("root/.bashrc", "root/.profile", "root/.ssh"))
    ]
    assert bad == []
    assert "etc/hostname" not in files
    logs = [path for path, line in files.items() if path.startswith("var/log/") and line.startswith("f ")]
    assert [path for path in logs if not files[path].endswith(EMPTY)] == []
    assert [path for path in files if path.startswith(("var/cache/apt/", "var/lib/apt/lists/"))] == []
    assert "usr/sbin/policy-rc.d" not in files


def test_what_is_preloaded_lies_there_until_the_first_boot(made: Made, preload: tuple[Path, ...]) -> None:
    found = {Path(path).name for path in made.manifest.files if path.startswith("var/lib/consul-docker-host/preload/")}
    assert found == {path.name for path in preload}


def test_the_file_systems_are_clean(made: Made, tmp_path: Path) -> None:
    assert_clean(made.image, tmp_path)


def test_a_bake_that_is_interrupted_clears_up_at_once(made: Made, suite: str, tmp_path: Path) -> None:
    images = made.work.dist / "images"
    before = sorted(path.name for path in images.iterdir())
    log = tmp_path / "log"
    stale = scratch_of(made, OPENED)
    bake = start_image(made.work, log, f"--suite={suite}")
    wait_for_work(made, stale, OPENED)
    os.kill(bake.pid, signal.SIGTERM)
    assert bake.wait(timeout=scaled(60)) != 0
    assert "interrupted: dist/ contains only finished artefacts" in log.read_text()
    assert sorted(path.name for path in images.iterdir()) == before
    assert leftovers(made) == []


@pytest.mark.long
def test_a_base_that_is_killed_in_its_making_leaves_the_one_before_it(made: Made, suite: str, tmp_path: Path) -> None:
    for number, wait in enumerate((10.0, 25.0)):
        kill_image(made, tmp_path / f"log-{number}", wait, f"--suite={suite}", "--format=raw", "--fresh")
    begin = time.monotonic()
    done = inv_image(made.work, f"--suite={suite}", "--format=tar", "--no-proof")
    assert done.returncode == 0, done.output
    assert "mmdebstrap" not in done.output, f"made again, in {time.monotonic() - begin:.0f} s"
    assert list(cache_folder(CACHE).glob(".*.new")) != [], "it was killed too late"
    again = inv_image(made.work, f"--suite={suite}", "--format=tar", "--no-proof", "--fresh")
    assert again.returncode == 0, again.output
    assert list(cache_folder(CACHE).glob(".*")) == []


def test_a_bake_that_is_killed_at_any_moment_leaves_no_mount_no_process_and_no_image(
    made: Made, suite: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    # Of another kind than the image that the other stories boot: what comes to its end takes the place of its like.
    options = (f"--suite={suite}", "--format=raw")
    kill_image_at(made, tmp_path / "log", DISK, *options)
    if request.config.getoption("long"):
        for number, wait in enumerate(moments(made, *options, number=KILLS_LONG)):
            kill_image(made, tmp_path / f"log-{number}", wait, *options)
    assert scratch_of(made) != set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """The tar without preloaded images: its manifest, what else its bake has shown, and what lay there before it."""

    tar: Path
    manifest: Manifest
    output: str
    refused: Result
    before: tuple[str, ...]


@pytest.fixture(scope="module")
def plain(made: Made, suite: str, tmp_path_factory: pytest.TempPathFactory) -> Plain:
    """Give the tar; while it was made, somebody asked for another image."""
    log = tmp_path_factory.mktemp("plain") / "log"
    options = (f"--suite={suite}", "--format=tar")
    before, stale = tuple(images_of(made)), scratch_of(made)
    # A program that somebody has is packed the same way each time.
    first = start_image(made.work, log, *options, consul=consul_binary())
    try:
        wait_for_work(made, stale)
        refused = inv_image(made.work, *options, "--no-proof")
    finally:
        code = first.wait(timeout=scaled(300))
    assert code == 0, log.read_text()
    tar = image_of(made.work, "tar")
    manifest = read_manifest(manifest_of(tar))
    return Plain(tar=tar, manifest=manifest, output=log.read_text(), refused=refused, before=before)


def test_a_second_bake_at_the_same_time_is_told_to_wait(plain: Plain) -> None:
    assert plain.refused.returncode != 0
    assert "another image is being made" in plain.refused.output


def test_what_a_killed_bake_left_goes_with_the_next_one(made: Made, plain: Plain) -> None:
    assert scratch_of(made) == set()
    assert [name for name in plain.before if name not in images_of(made)] == []


def test_the_same_again_is_the_same_and_a_change_shows_as_a_difference(made: Made, plain: Plain, suite: str) -> None:
    before, once = made.manifest, plain.manifest
    # What lies in a layer itself, as a container's file system does, takes no other one over the base.
    again = inv_image(
        made.work, f"--suite={suite}", "--format=tar", "--no-proof", before=LAYERED, consul=consul_binary()
    )
    assert again.returncode == 0, again.output
    assert ("copying the base" in plain.output, "copying the base" in again.output) == (False, True)
    assert differences(once, read_manifest(manifest_of(plain.tar))) == ()
    assert once.packages["consul:amd64"].startswith(f"{VERSION}-1 ")
    assert once.files["usr/bin/consul"].endswith(digest_of(consul_binary()))
    assert "security" in sources_of(plain.tar)
    said = inv(made.work, "image.diff", f"--old={manifest_of(made.image)}", f"--new={manifest_of(plain.tar)}").stdout
    gone = [line for line in said.splitlines() if line.startswith("- file var/lib/consul-docker-host/preload/")]
    assert len(gone) == 2, said
    assert before.digest != once.digest


def sources_of(tar: Path) -> str:
    """Return what tells apt in an image where packages come from."""
    found = run(["tar", "--list", "--file", str(tar)], timeout=300).stdout.splitlines()
    names = [name for name in found if name.startswith("./etc/apt/sources.list") and not name.endswith("/")]
    return run(["tar", "--extract", "--to-stdout", "--file", str(tar), *names], timeout=300).stdout
