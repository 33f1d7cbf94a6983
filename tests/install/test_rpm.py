"""Story: on a system that rpm manages, install and erase leave nothing behind, however often, whoever built the rpm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.prove.distributions import Distribution, Family
from tests.install.kit import ENVIRONMENT, STARTED, assert_late_writers_leave_nothing, assert_nothing_runs
from tests.install.rpm_kit import Rpm, is_settled
from tests.support import tree
from tests.support.containers import upstream
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.upstream import Upstream
from tests.support.packages import ADDRESS, DIG, NAME, Installer, wait_for_consul
from tests.support.variants import build_variant

pytestmark = pytest.mark.family("rpm")
CYCLES, LONG_CYCLES = 3, 20


@pytest.fixture(scope="module")
def host(bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer) -> Iterator[Host]:
    """Give a host on which all that the package depends on is installed already."""
    with bed.host(ready, name=f"{distribution.name}-cycles", resolv_conf=upstream.resolv_conf) as host:
        host.put("/etc/environment", ENVIRONMENT)
        installer.bring(host)
        yield host


@pytest.fixture(scope="module")
def before(host: Host) -> tree.Tree:
    """Give the host's tree before the package's first install."""
    return host.tree()


def test_the_file_has_no_digest_that_fips_refuses(host: Host, installer: Installer) -> None:
    said = host.output(["rpm", "--checksig", "--verbose", installer.target])
    assert "SHA256" in said
    assert "OK" in said
    assert "BAD" not in said
    form = "%{FILEDIGESTALGO} %{PAYLOADDIGESTALGO}"
    algorithms = host.output(["rpm", "-qp", "--queryformat", form, installer.target])
    assert algorithms == "8 8", "8 is SHA-256 (RFC 4880)"


def test_an_install_is_silent_and_settles(host: Host, before: tree.Tree, installer: Installer) -> None:
    result = Rpm(host).run("--upgrade", installer.target)
    assert result.output == ""
    host.wait_until(lambda: is_settled(host), 30)
    assert host.failed_units() == ""


def test_foreign_lines_of_the_environment_stay(host: Host) -> None:
    assert host.file("/etc/environment").text.encode().startswith(ENVIRONMENT)


def test_rpm_finds_its_files_as_they_were(host: Host) -> None:
    assert Rpm(host).verify() == ""


def test_outside_names_resolve(host: Host) -> None:
    for asked in ("", f"@{ADDRESS}"):
        assert host.output(f"{DIG} {upstream.NAME} {asked}") == upstream.ADDRESS


def test_a_reinstallation_changes_nothing(host: Host, installer: Installer) -> None:
    installed = host.tree()
    process = Rpm(host).main_process("consul.service")
    Rpm(host).run("--reinstall", installer.target)
    Rpm(host).dnf("reinstall", installer.target)
    host.wait_until(lambda: is_settled(host), 30)
    assert tree.compare(installed, host.tree()) == tree.Difference(left=(), changed=(), missing=())
    assert Rpm(host).main_process("consul.service") == process
    assert Rpm(host).verify() == ""


def test_an_erasure_leaves_the_tree_as_it_was(host: Host, before: tree.Tree) -> None:
    assert Rpm(host).run("--erase", NAME).output == ""
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())
    assert host.file("/etc/environment").text.encode() == ENVIRONMENT


def test_an_erasure_leaves_nothing_running(host: Host) -> None:
    assert_nothing_runs(host, programs=STARTED)
    assert host.output(f"{DIG} {upstream.NAME}") == upstream.ADDRESS


@pytest.mark.timeout(900)
def test_install_and_erasure_repeat(
    host: Host, before: tree.Tree, installer: Installer, request: pytest.FixtureRequest
) -> None:
    for number in range(LONG_CYCLES if request.config.getoption("long") else CYCLES):
        if number % 2:
            Rpm(host).run("--upgrade", installer.target)
        else:
            installer.install(host)
        host.wait_until(lambda: is_settled(host), 30)
        if number % 2:
            installer.remove(host)
        else:
            Rpm(host).run("--erase", NAME)
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())
    assert_nothing_runs(host, programs=STARTED)


@pytest.mark.parametrize("backend", ["fpm", "nfpm"])
def test_each_backend_s_rpm_does_the_same(host: Host, before: tree.Tree, backend: str, tmp_path: Path) -> None:
    built = build_variant(tmp_path, "rpm", backend=backend, settings=f'[package]\nrevision = "1.{backend}"')
    package = Installer(package=built, family=Family.RPM)
    package.install(host)
    host.wait_until(lambda: is_settled(host), 30)
    assert Rpm(host).verify() == ""
    package.remove(host)
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())
    assert_nothing_runs(host, programs=STARTED)


def test_a_start_that_is_under_way_leaves_nothing_after_an_erasure(host: Host, installer: Installer) -> None:
    installer.install(host)
    assert_late_writers_leave_nothing(host, ["rpm", "--erase", NAME])


def test_an_install_after_an_erasure_works(host: Host, installer: Installer) -> None:
    installer.install(host)
    installer.become_server(host)
    wait_for_consul(host)
    assert host.failed_units() == ""
