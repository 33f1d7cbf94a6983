"""Story: a stock image, with nothing of ours in it, becomes a host at its first boot by a snippet; times are told."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consul_docker_host.core.report import say
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.image import SCRATCH, write_image
from consul_docker_host.image.bake import WITH_US, fill_root
from consul_docker_host.image.bootstrap import base_of, lay_over
from consul_docker_host.image.request import ImageFormat, read_request
from consul_docker_host.snippets.cloudinit import NO_URL
from consul_docker_host.snippets.clouds import takers
from tests.image.kit import Booted, alone, new_machine
from tests.repository.site import Site, make_keys, make_site
from tests.support.packages import NAME, SERVER_SETTINGS
from tests.support.programs.consul import consul_package
from tests.support.user_data import SETTINGS, archive, settings

EPOCH = 1_700_000_000
# Apt reaches what lies on the disk, and nothing else.
OFFLINE = "rm -rf etc/apt/sources.list etc/apt/sources.list.d/*"
SITE = """[Unit]
Before=cloud-config.service cloud-final.service
[Service]
ExecStart=/usr/bin/python3 -m http.server 8080 --bind 127.0.0.1 --directory /srv/site
[Install]
WantedBy=multi-user.target
"""
WRONG = "cloud-init status --long >/run/status; consul-docker-host check >/run/said\n" + "".join(
    f'echo "{name}: $({command})"\n'
    for name, command in (
        ("cloud", "grep -c 'status: error' /run/status"),
        ("check", "grep -c 'ROLE.*sever' /run/said"),
    )
)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Give a signed repository, and the snippet that leads to it."""
    return make_site(tmp_path_factory.mktemp("site"), make_keys())


@pytest.fixture(scope="module")
def stock(
    tmp_path_factory: pytest.TempPathFactory, suite: str, site: Site, preload: tuple[Path, ...]
) -> Iterator[Path]:
    """Give a machine's image with Consul, Docker and cloud-init, and a repository of ours on its own loopback.

    Registrator's image is in it: no registry gives it to these machines.
    """
    work = Workspace(root=ROOT)
    folder = tmp_path_factory.mktemp(SCRATCH.strip(".-"))
    asked: dict[str, Any] = {
        "suite": suite,
        "kind": "qcow2",
        "size": "",
        "given": f"consul={consul_package()}",
        "mirror": "",
    }
    whole = read_request(work, **asked, preload=[str(path) for path in preload], is_bios=False)
    request = dataclasses.replace(whole, debs=whole.debs[:1], format=ImageFormat.QCOW2)
    image = folder / "stock.qcow2"
    with base_of(request, epoch=EPOCH, fresh=False) as base, lay_over(base, folder / "opened") as root:
        fill_root(work, request, root, epoch=EPOCH)
        run([*WITH_US, "sh", "-c", OFFLINE], cwd=root.tree)
        shutil.copytree(site.trees["new"], root.tree / "srv/site")
        for deb in (ROOT / "dist").glob(f"{NAME}_*_all.deb"):
            shutil.copy(deb, root.tree / "srv/site")
        (root.tree / "etc/systemd/system/site.service").write_text(SITE)
        wants = root.tree / "etc/systemd/system/multi-user.target.wants/site.service"
        wants.symlink_to("/etc/systemd/system/site.service")
        write_image(work, request, root, image, inputs={"what": "stock"}, epoch=EPOCH)
    yield image
    image.unlink()


def snippet(site: Site, name: str) -> str:
    """Return a snippet that `inv build` has made; the repository's is the site's own, as is the package's address."""
    folder = site.work.dist if name == "repository" else ROOT / "dist"
    text = (folder / "cloud-init" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.count(NO_URL) == (name == "package")
    return text.replace(NO_URL, "http://127.0.0.1:8080/")


def booted(stock: Path, folder: Path, text: str, lines: str, *, question: str = "", patience: int = 300) -> Booted:
    """Return a machine whose user data is a snippet with a user's own lines; it was switched on a moment ago."""
    machine = new_machine(
        stock,
        folder,
        name=folder.name,
        settings={},
        network=alone(),
        question=question,
        user_data=(text, settings(lines)),
        patience=patience,
    )
    machine.switch_on()
    return machine


@pytest.mark.parametrize("name", ["inline", "package", "repository"])
def test_a_snippet_makes_a_healthy_host(stock: Path, site: Site, tmp_path: Path, name: str) -> None:
    version = "dpkg-query -W -f '${Version}' consul-docker-host"
    question = f'echo "cloud: $(cloud-init status)"; echo "package: $({version})"'
    machine = booted(stock, tmp_path / name, snippet(site, name), SERVER_SETTINGS, question=question)
    try:
        told = machine.wait_for_boot(1)
        assert told["state"] == "ok", machine.report()
        assert told["cloud"] == "status: done", machine.report()
        assert told["package"].startswith("0.1.0") is (name != "inline")
        say(f"{name}: healthy {told['end']} s after power on, on an emulated processor")
    finally:
        machine.cut_power()


def test_a_wrong_value_is_told_by_cloud_init_and_by_the_check(stock: Path, site: Site, tmp_path: Path) -> None:
    machine = booted(stock, tmp_path / "wrong", snippet(site, "inline"), "ROLE=sever\n", question=WRONG, patience=20)
    try:
        told = machine.wait_for_boot(1)
        assert (told["cloud"], told["check"] != "0") == ("1", True), machine.report()
    finally:
        machine.cut_power()


def test_the_user_data_is_what_a_cloud_takes(site: Site) -> None:
    taken_by, _ = takers(archive(snippet(site, "inline"), settings(SERVER_SETTINGS)).decode())
    assert {"OpenStack", "Azure", "Google Cloud"} <= set(taken_by)
    assert takers(archive(snippet(site, "package"), settings(SERVER_SETTINGS)).decode())[1] == ()
    assert SETTINGS.endswith(NAME)
