"""The tasks that make images and what read-only hosts take: mistakes come before any work, files go into dist/."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consul_docker_host.commands import image
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from tests.unit.kit import copy_checkout


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return copy_checkout(tmp_path_factory.mktemp("tasks") / "checkout")


@pytest.fixture(autouse=True)
def _in_a_copy(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "Workspace", lambda: work)
    monkeypatch.setattr(image, "build_all", lambda **_: pytest.fail("a mistake comes before the work"))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, "^the image would contain no Consul"),
        ({"accel": "xen", "proof": False}, "^--accel xen: unknown"),
    ],
)
def test_a_mistake_comes_before_the_work(options: dict[str, str | bool], fault: str) -> None:
    with pytest.raises(BuildError, match=fault):
        image.make_image(**options)  # type: ignore[arg-type]


def test_the_mistakes_in_all_options_are_reported_together_with_those_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[dns]\nttl = 9\n")
    with pytest.raises(BuildError) as caught:
        image.make_image(
            suite="bookwrm",
            format="vmdk",
            size="1G",
            preload="/nowhere.tar,/gone.tar",
            accel="xen",
            settings=str(tmp_path / "bad.toml"),
        )
    said = [line for line in str(caught.value).splitlines() if not line.startswith("  ")]
    assert [line.partition(": ")[0] for line in said] == [
        "--accel xen",
        "the image would contain no Consul, and the boot test needs one",
        "--suite bookwrm",
        "--format vmdk",
        "--size 1G",
        "--preload /nowhere.tar",
        "--preload /gone.tar",
        f"{tmp_path}/bad.toml:2",
    ]


def test_both_manifests_of_a_comparison_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"(?s)old\.json: .*new\.json: "):
        image.compare_images(old=str(tmp_path / "old.json"), new=str(tmp_path / "new.json"))


def test_ignition_s_configuration_goes_into_dist(work: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    image.make_ignition()
    target = work.dist / "ignition/consul-docker-host.ign"
    assert json.loads(target.read_text())["ignition"]["version"] == "3.4.0"
    assert capsys.readouterr().out.startswith("dist/ignition/consul-docker-host.ign: ")


def test_a_confext_goes_into_dist_and_nothing_beside_it(work: Workspace) -> None:
    image.make_confext()
    target = work.dist / "confext/consul-docker-host.raw"
    assert target.read_bytes()[:4] == b"hsqs"
    assert target.stat().st_mode & 0o777 == 0o644
    assert not list(work.dist.glob(".*"))
