"""The archive's key and sources: the same bytes in the keyring package, in the snippet, and where they are copied."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from debian.deb822 import Deb822
from ruamel.yaml import YAML

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package import archive_sources
from consul_docker_host.package.plans import make_keyring_plan, make_plan
from consul_docker_host.settings.load import project_settings
from consul_docker_host.snippets import cloudinit
from tests.unit.kit import ARCHIVE_KEY

URL = "https://packages.site.example/x"
SETTINGS = '[repository]\nurl = "https://packages.site.example/x/"\nkey_file = "archive.asc"\n'


@pytest.fixture
def settings(work: Workspace) -> Path:
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    path = work.root / "my.toml"
    path.write_text(SETTINGS)
    return path


def test_without_a_key_there_is_no_keyring_package(work: Workspace) -> None:
    assert make_keyring_plan(project_settings(work), work) is None


def test_the_package_has_the_key_and_the_source_of_its_format(work: Workspace, settings: Path) -> None:
    plan = make_keyring_plan(project_settings(work, settings), work)
    assert plan
    documentation = {f"usr/share/doc/{plan.name}/changelog.gz", f"usr/share/doc/{plan.name}/copyright"}
    assert {entry.path for entry in plan.entries_for("deb")} - documentation == {
        "usr/share/keyrings/consul-docker-host-archive-keyring.asc",
        "etc/apt/sources.list.d/consul-docker-host.sources",
        f"usr/share/lintian/overrides/{plan.name}",
    }
    assert {entry.path for entry in plan.entries_for("rpm")} - documentation == {
        "etc/pki/rpm-gpg/RPM-GPG-KEY-consul-docker-host",
        "etc/yum.repos.d/consul-docker-host.repo",
    }
    assert (plan.tree / archive_sources.APT_KEY).read_text() == ARCHIVE_KEY
    assert (plan.tree / archive_sources.RPM_KEY).read_text() == ARCHIVE_KEY


def test_an_rpm_does_not_own_the_folders_of_the_system(work: Workspace, settings: Path) -> None:
    plan = make_keyring_plan(project_settings(work, settings), work)
    assert plan
    owned = {path for path, _ in plan.folders_for("rpm")}
    assert owned == {f"usr/share/doc/{plan.name}"}


def test_what_the_snippet_writes_is_no_question_when_the_package_comes(work: Workspace, settings: Path) -> None:
    plan = make_keyring_plan(project_settings(work, settings), work)
    assert plan
    snippet = YAML(typ="safe").load(cloudinit.repository_snippet(make_plan(project_settings(work, settings), work)))
    written = {file["path"].lstrip("/"): file["content"] for file in snippet["write_files"]}
    shipped = {entry.path: (plan.tree / entry.path).read_text() for entry in plan.entries if entry.path in written}
    assert shipped == written
    assert len(written) == 2


def test_apt_s_source_is_deb822_with_the_key_in_signed_by() -> None:
    source = Deb822(archive_sources.apt_source(URL, "stable"))
    assert dict(source) == {
        "Types": "deb",
        "URIs": f"{URL}/apt",
        "Suites": "stable",
        "Components": "main",
        "Signed-By": "/usr/share/keyrings/consul-docker-host-archive-keyring.asc",
    }


def test_dnf_checks_packages_and_metadata() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(archive_sources.yum_source(URL, "testing"))
    (section,) = parser.sections()
    assert section == "consul-docker-host-testing"
    assert parser[section]["baseurl"] == f"{URL}/rpm/testing"
    assert (parser[section]["gpgcheck"], parser[section]["repo_gpgcheck"]) == ("1", "1")


def test_testing_is_a_source_beside_stable() -> None:
    paths = {archive_sources.apt_source_path(channel) for channel in archive_sources.CHANNELS}
    assert paths == {
        "etc/apt/sources.list.d/consul-docker-host.sources",
        "etc/apt/sources.list.d/consul-docker-host-testing.sources",
    }


def test_two_blocks_of_keys_are_refused_since_apt_reads_one(work: Workspace, settings: Path) -> None:
    (work.root / "archive.asc").write_text(ARCHIVE_KEY * 2)
    reason = r": repository\.key_file: .*archive\.asc has more than one block of keys; apt reads only the first; write"
    with pytest.raises(BuildError, match=reason):
        make_keyring_plan(project_settings(work, settings), work)
