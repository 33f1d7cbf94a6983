"""Story: a closed network serves Consul from its own repository, and a host becomes what the article promises."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from consul_docker_host.consul_release.release import build_packages
from consul_docker_host.core.workspace import file_digest
from consul_docker_host.prove.consul_binary import VERSION, architecture, consul_binary
from consul_docker_host.prove.distributions import Distribution, Family
from consul_docker_host.settings.load import project_settings
from tests.repository.client import Client, command_of
from tests.repository.site import Site, site_key
from tests.support.kept import kept_directory
from tests.support.packages import ADDRESS, DIG, NAME, Installer

pytestmark = [pytest.mark.short_form_on("debian-13"), pytest.mark.sequence]


@pytest.fixture(scope="session")
def tree(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a repository with Consul, made of an archive as HashiCorp publishes it, signed by a key of the tests'."""

    def publish(target: Path) -> None:
        folder = tmp_path_factory.mktemp("release")
        provide_consul(site, folder)
        shutil.copytree(site.publish("rotated", "--with-consul"), target)

    key = [*site_key(site.keys), VERSION, architecture(), Path(__file__).read_bytes()]
    return kept_directory("consul-site", tmp_path_factory.mktemp("consul") / "tree", key=key, make=publish)


def provide_consul(site: Site, folder: Path) -> None:
    """Make the packages of an archive as HashiCorp publishes it, in the site's dist/."""
    archive = folder / f"consul_{VERSION}_linux_{architecture()}.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(consul_binary(), "consul")
    sums = folder / f"consul_{VERSION}_SHA256SUMS"
    sums.write_text(f"{file_digest(archive)}  {archive.name}\n")
    sums.with_name(f"{sums.name}.sig").write_text(site.keys.sign(["wrong"], sums.read_text(), "--detach-sign"))
    key = folder / "hashicorp.asc"
    key.write_text(site.keys.public("wrong"))
    build_packages(
        site.work, project_settings(site.work), version=VERSION, archive=str(archive), key=str(key), backend="nfpm"
    )


def test_consul_and_the_package_come_from_one_repository(
    client: Client, tree: Path, distribution: Distribution
) -> None:
    host = client.host
    client.serve(tree)
    if distribution.family is Family.DEB:
        host.run("rm /etc/apt/preferences.d/consul-docker-host-test")  # for these tests alone Consul may exist
        command = command_of(tree / "index.html", "apt-add").replace("apt-get ", "apt-get --yes ")
    else:
        host.run("mkdir -p /etc/pki/rpm-gpg")
        command = command_of(tree / "index.html", "dnf-add").replace("dnf install", "dnf --assumeyes install")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    host.run(f"set -e\n{command} consul", seconds=180, environment=environment)
    assert host.output("consul version").startswith(f"Consul v{VERSION}")
    host.run('[ "$(stat -c %U:%G /etc/consul.d/consul.hcl)" = consul:consul ]')
    Installer(package=tree, family=distribution.family).become_server(host)
    assert host.output(f"{DIG} consul.service.consul @{ADDRESS}") == host.address()


def test_removing_consul_leaves_its_data(client: Client, distribution: Distribution) -> None:
    remove = client.apt if distribution.family is Family.DEB else client.dnf
    remove("remove", "consul")
    host = client.host
    assert not host.file("/usr/bin/consul").exists
    assert host.file("/opt/consul/raft").exists
    assert host.run(["systemctl", "--quiet", "is-active", "consul.service"], check=False).returncode != 0
    assert host.output(f"systemctl is-active {NAME}.target") == "active"
