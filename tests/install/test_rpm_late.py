"""Story: whatever comes or goes later, or where nothing runs: the rpm takes it up without a hand, and in silence."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest
from docker.models.containers import Container

from consul_docker_host.prove.distributions import Distribution
from tests.install.kit import STARTED, assert_nothing_runs
from tests.install.rpm_kit import Rpm, is_settled
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import prepare, put_file, temporary_image
from tests.support.containers.settled import ready_image
from tests.support.containers.upstream import ADDRESS as OUTSIDE_ADDRESS
from tests.support.containers.upstream import NAME as OUTSIDE
from tests.support.containers.upstream import Upstream
from tests.support.packages import ADDRESS, DIG, NAME, Installer
from tests.support.programs.consul import consul_repository
from tests.support.rpm.system import CONSUL_REPOSITORY

pytestmark = [pytest.mark.family("rpm"), pytest.mark.sequence]
TARGET = f"{NAME}.target"
# A root of its own in which nothing runs: the host's own files below, what is changed above.
ROOT = "/mnt/root"
MAKE_ROOT = f"""
mkdir -p /tmp/layer {ROOT}
mount -t tmpfs layer /tmp/layer
mkdir /tmp/layer/upper /tmp/layer/work
mount -t overlay -o lowerdir=/,upperdir=/tmp/layer/upper,workdir=/tmp/layer/work root {ROOT}
"""


@pytest.fixture(scope="module")
def repository(engine: docker.DockerClient, base: str) -> str:
    """Give the image of a host with Consul in a repository, not installed."""
    return consul_repository(engine, base)


@pytest.fixture(scope="module")
def host(
    bed: Bed, repository: str, upstream: Upstream, distribution: Distribution, installer: Installer
) -> Iterator[Host]:
    """Give a host without Consul."""
    ready = ready_image(bed, repository, f"{distribution.name}-repository", installer)
    with bed.host(ready, name=f"{distribution.name}-late", resolv_conf=upstream.resolv_conf) as host:
        installer.bring(host)
        yield host


def is_consul_ours(host: Host) -> bool:
    """Say whether Consul runs on our settings and its API answers."""
    running = "pgrep --full 'consul agent.*-config-dir=/run/consul-docker-host/consul.d/'"
    api = f"curl --silent --fail --max-time 2 http://{ADDRESS}:8500/v1/agent/self"
    return host.run(f"{running} && {api}", check=False).returncode == 0


def test_another_root_gets_the_package_in_silence(host: Host, installer: Installer) -> None:
    host.run(f"set -e\n{MAKE_ROOT}")
    before = host.tree()
    try:
        result = Rpm(host).run("--root", ROOT, "--upgrade", installer.target)
        assert result.output == ""
        link = f"{ROOT}/etc/systemd/system/multi-user.target.wants/{TARGET}"
        assert host.file(link).exists, "the preset enables the target"
        assert f"CONSUL_HTTP_ADDR={ADDRESS}" in host.file(f"{ROOT}/etc/environment").text
        assert Rpm(host).run("--root", ROOT, "--erase", NAME).output == ""
        assert not host.file(link).exists
        assert host.file(f"{ROOT}/etc/environment").text == ""
        options = ("--installroot", ROOT, "--setopt=install_weak_deps=False")
        installed = Rpm(host).dnf(*options, "install", installer.target)
        assert "scriptlet failed" not in installed.output
        assert host.file(link).exists
    finally:
        host.run(f"umount {ROOT} /tmp/layer && rmdir {ROOT} /tmp/layer")
    assert host.tree().keys() == before.keys() - {ROOT}
    assert_nothing_runs(host, programs=STARTED)


def test_without_consul_all_else_is_at_work(host: Host, installer: Installer) -> None:
    Rpm(host).run("--upgrade", installer.target)
    host.wait_until(lambda: is_settled(host), 30)
    assert host.output(f"{DIG} {OUTSIDE}") == OUTSIDE_ADDRESS


def test_consul_that_comes_later_is_taken_up(host: Host) -> None:
    Rpm(host).run("--install", host.output(f"ls {CONSUL_REPOSITORY}/consul-*.rpm"))
    host.wait_until(lambda: is_consul_ours(host), 40)
    assert host.failed_units() == ""


def test_dnsmasq_that_goes_is_named_and_taken_up_again(host: Host) -> None:
    Rpm(host).run("--erase", "--nodeps", "dnsmasq")
    host.wait_until("! pgrep dnsmasq", 20)
    said = host.run([NAME, "check"], check=False)
    assert said.returncode == 2
    assert "dnsmasq" in said.stdout
    assert host.service(TARGET).is_active
    assert host.output(f"getent hosts {OUTSIDE}").split()[0] == OUTSIDE_ADDRESS
    Rpm(host).dnf("install", "dnsmasq")
    host.wait_until(lambda: is_settled(host), 40)
    assert host.output(f"{DIG} {OUTSIDE} @{ADDRESS}") == OUTSIDE_ADDRESS


def test_the_removal_of_dnsmasq_takes_us_along(host: Host) -> None:
    Rpm(host).dnf("--setopt=clean_requirements_on_remove=False", "remove", "dnsmasq")
    assert Rpm(host).versions() == []
    assert_nothing_runs(host, programs=STARTED)
    assert host.output(f"getent hosts {OUTSIDE}").split()[0] == OUTSIDE_ADDRESS


def test_one_line_brings_consul_and_starts_it(host: Host, installer: Installer) -> None:
    """All of one transaction is there when its end is told: nobody waits for a watcher."""
    Rpm(host).run("--erase", "consul")
    Rpm(host).dnf("install", installer.target)
    host.wait_until(lambda: is_consul_ours(host), 15)
    assert host.failed_units() == ""


@pytest.fixture
def baked(engine: docker.DockerClient, repository: str, installer: Installer) -> Iterator[str]:
    """Give an image that got the package while nothing ran in it, as a builder of images does it."""

    def bake(container: Container) -> None:
        put_file(container, installer.target, installer.package)
        prepare(container, f"dnf --assumeyes install {installer.target} && rm {installer.target}")

    with temporary_image(engine, repository, "baked", bake) as tag:
        yield tag


def test_an_image_with_the_package_boots_right(bed: Bed, baked: str, upstream: Upstream) -> None:
    with bed.host(baked, name="rpm-image", resolv_conf=upstream.resolv_conf) as booted:
        booted.wait_until(lambda: is_settled(booted) and is_consul_ours(booted), 40)
        assert booted.failed_units() == ""
        assert booted.output(f"{DIG} {OUTSIDE} @{ADDRESS}") == OUTSIDE_ADDRESS
