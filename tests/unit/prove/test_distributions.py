"""One list of distributions: what the workflow tests is what the list calls official."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.distributions import Family, read_distributions, select, workflow_matrix
from tests.support.containers.official import wanted

PROMISED = (
    *("debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04"),
    *("rocky-9", "rocky-10", "fedora-43", "amazonlinux-2023", "opensuse-leap"),
)
WORKFLOW = ROOT / ".github" / "workflows" / "20-pr-install.yml"


@pytest.fixture
def jobs() -> dict[str, Any]:
    """Return the workflow's jobs."""
    found: dict[str, Any] = YAML(typ="safe").load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    return found


def test_the_matrix_has_every_promised_distribution_on_both_architectures() -> None:
    pairs = {(job["distro"], job["architecture"]) for job in workflow_matrix()["include"]}
    assert pairs == {(name, architecture) for name in PROMISED for architecture in ("amd64", "arm64")}


def test_the_workflow_takes_its_matrix_from_the_list(jobs: dict[str, Any]) -> None:
    assert "python3 -m consul_docker_host.prove.distributions" in jobs["list"]["steps"][-1]["run"]
    assert jobs["install"]["strategy"]["matrix"] == "${{ fromJSON(needs.list.outputs.matrix) }}"
    (line,) = [step["run"] for step in jobs["install"]["steps"] if "./inv" in step.get("run", "")]
    assert line.endswith("./inv test.install --distro ${{ matrix.distro }} --args=--official")
    text = WORKFLOW.read_text(encoding="utf-8")
    assert all(f"${{{{ matrix.{key} }}}}" in text for key in workflow_matrix()["include"][0])


@pytest.mark.parametrize("distribution", read_distributions(), ids=lambda one: one.name)
def test_each_can_be_made(distribution: Any) -> None:
    assert distribution.image
    script, installed, near = wanted(distribution)
    assert script == {Family.DEB: "apt.sh", Family.RPM: "rpm.sh"}[distribution.family]
    assert "dnsmasq" in near
    assert not set(near) & {"consul", "docker"}
    assert ("dnf" in installed) is (distribution.manager == "zypper")


def test_a_plain_run_is_of_the_local_ones() -> None:
    assert {one.name for one in select("")} == {"debian-12", "debian-13", "rpm-12"}


def test_a_mistake_in_the_list_is_told(tmp_path: Path) -> None:
    path = tmp_path / "distributions.toml"
    path.write_text('[[distribution]]\nname = "x"\nfamily = "tar"\nimage = "x"\n')
    with pytest.raises(BuildError, match=r"^distributions\.toml: x: 'tar' is not a valid Family"):
        read_distributions(path)
