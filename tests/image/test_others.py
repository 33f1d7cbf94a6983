"""The tree for those who bring an image's maker of their own: Ignition, confext, Packer, Terraform, mkosi."""

from __future__ import annotations

import base64
import configparser
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hcl2 import api as hcl2

from consul_docker_host.core.locks import Lock
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT, Workspace, cache_folder, content_key, replacing
from consul_docker_host.package.plan import Plan
from consul_docker_host.package.plans import make_plan
from consul_docker_host.prove.golang import build_program
from consul_docker_host.settings.load import project_settings
from consul_docker_host.snippets.confext import write_confext
from consul_docker_host.snippets.ignition import ignition
from tests.unit.kit import copy_checkout, inv

PROGRAMS = ROOT / "tests" / "support" / "programs"
IGNITION, PACKER = PROGRAMS / "ignition-source", PROGRAMS / "packer-source"
IMAGES = ROOT / "packaging" / "images"
BUILDERS = ("amazon-ebs", "azure-arm", "googlecompute", "qemu")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Give the plan of the packages."""
    work = copy_checkout(tmp_path_factory.mktemp("plan") / "checkout")
    return make_plan(project_settings(work), work)


def program_of(source: Path, package: str) -> Path:
    """Return a program built from its pinned source on the first call."""
    key = content_key([path.read_bytes() for path in sorted(source.iterdir())])[:12]
    program = cache_folder(source.name, key) / source.name.removesuffix("-source")
    with Lock(program.parent / "lock"):
        if not program.exists():
            with replacing(program, mode=0o755) as beside:
                build_program(source, package, beside)
    return program


@pytest.fixture(scope="module")
def validator() -> Path:
    """Give Ignition's own judge."""
    return program_of(IGNITION, ".")


def test_ignition_itself_accepts_the_configuration_and_refuses_a_broken_one(plan: Plan, validator: Path) -> None:
    text = ignition(plan)
    done = run([str(validator)], stdin=text, check=False)
    assert (done.returncode, done.output.strip()) == (0, "")
    broken = text.replace('"path": "/etc/', '"path": "etc/', 1)
    assert run([str(validator)], stdin=broken, check=False).returncode == 1


def test_ignition_writes_the_tree_and_nothing_below_usr(plan: Plan) -> None:
    config = json.loads(ignition(plan))
    files = {one["path"]: one for one in config["storage"]["files"]}
    assert [path for path in files if path.startswith("/usr/")] == []
    for entry in plan.entries:
        if entry.path.startswith("usr/share/"):
            continue
        named = [path for path in files if path.endswith(f"/{Path(entry.path).name}")]
        (place,) = [path for path in named if holds(files[path], plan, entry.path)]
        assert files[place]["mode"] == entry.mode
    enabled = {unit["name"] for unit in config["systemd"]["units"] if unit.get("enabled")}
    assert enabled == {"systemd-sysext.service", "consul-docker-host.target"}


def holds(one: dict[str, Any], plan: Plan, path: str) -> bool:
    packed = one["contents"]["source"].partition("base64,")[2]
    return gzip.decompress(base64.b64decode(packed)) == (plan.tree / path).read_bytes()


def test_a_confext_is_the_tree_s_etc_and_the_same_again(plan: Plan, tmp_path: Path) -> None:
    images = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        images.append(write_confext(plan, tmp_path / name))
    assert images[0].read_bytes() == images[1].read_bytes()
    run(["unsquashfs", "-quiet", "-dest", str(tmp_path / "root"), str(images[0])])
    found = {str(path.relative_to(tmp_path / "root")) for path in (tmp_path / "root").rglob("*") if path.is_file()}
    wanted = {entry.path for entry in plan.entries if entry.path.startswith("etc/")}
    assert found == wanted | {f"etc/extension-release.d/extension-release.{plan.name}"}


def hcl(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as file:
        parsed: dict[str, Any] = hcl2.load(file)
    return parsed


def test_packer_has_a_source_for_every_cloud_and_one_build_that_runs_the_check() -> None:
    folder = IMAGES / "packer"
    blocks = [block for name in BUILDERS for block in hcl(folder / f"{name}.pkr.hcl")["source"]]
    sources = [word.strip('"') for block in blocks for word in block if not word.startswith("__")]
    assert sources == list(BUILDERS)
    text = (folder / "build.pkr.hcl").read_text()
    for name in BUILDERS:
        assert f"source.{name}.debian" in text
    assert hcl(folder / "build.pkr.hcl")["build"]
    assert "consul-docker-host check" in (folder / "provision.sh").read_text()
    assert (folder / ".." / "seal.sh").is_file()
    plugins = (folder / "plugins.pkr.hcl").read_text()
    assert all(name.partition("-")[0] in plugins for name in BUILDERS)


@pytest.mark.long
def test_packer_itself_reads_the_templates(tmp_path: Path) -> None:
    """What the plugins would say of them is asked where they can be fetched, in the workflow."""
    packer = program_of(PACKER, "github.com/hashicorp/packer")
    quiet = {"CHECKPOINT_DISABLE": "1", "HOME": str(tmp_path)}
    run([str(packer), "fmt", "-check", str(IMAGES / "packer")], env=quiet)
    run([str(packer), "validate", "-syntax-only", str(IMAGES / "packer")], env=quiet)
    (tmp_path / "broken.pkr.hcl").write_text((IMAGES / "packer" / "qemu.pkr.hcl").read_text().replace("}", "", 1))
    broken = run([str(packer), "validate", "-syntax-only", str(tmp_path)], env=quiet, check=False)
    assert broken.returncode == 1


def test_no_template_names_a_secret() -> None:
    for path in (*IMAGES.rglob("*.hcl"), *IMAGES.rglob("*.tf")):
        text = path.read_text().lower()
        assert not [word for word in ("secret_key", "access_key", "client_secret", "token =") if word in text], path


def test_terraform_rolls_a_group_to_a_new_image_share_by_share() -> None:
    text = (IMAGES / "terraform" / "main.tf").read_text()
    parsed = hcl(IMAGES / "terraform" / "main.tf")
    kinds = {kind.strip('"') for one in parsed["resource"] for kind in one if not kind.startswith("__")}
    assert kinds == {"aws_launch_template", "aws_autoscaling_group"}
    for words in ("instance_refresh", 'http_tokens                 = "required"', "consul-docker-host check"):
        assert words in text


def test_mkosi_takes_the_packages_and_the_image_s_own_files() -> None:
    config = configparser.ConfigParser(strict=True, allow_no_value=True)
    config.read_string((IMAGES / "mkosi" / "mkosi.conf").read_text())
    packages = config["Content"]["Packages"].split()
    assert {"consul-docker-host", "consul", "docker.io", "dnsmasq", "cloud-init"} <= set(packages)
    assert (IMAGES / "mkosi" / config["Content"]["ExtraTrees"]).resolve() == IMAGES / "tree"


def test_the_tasks_write_what_they_say(tmp_path: Path) -> None:
    work = copy_checkout(tmp_path / "checkout")
    paths = {"image.ignition": "ignition/consul-docker-host.ign", "image.confext": "confext/consul-docker-host.raw"}
    for task, path in paths.items():
        done = inv(work, task)
        assert done.returncode == 0, done.output
        assert path in done.stdout
        assert (Workspace(root=work.root).dist / path).stat().st_size > 0
