"""Story: remove and purge leave the host as it was, and an install after a removal is as good as the first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.install.kit import ENVIRONMENT, assert_nothing_runs
from tests.support import tree
from tests.support.containers import upstream
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.upstream import Upstream
from tests.support.packages import DIG, NAME, Installer, wait_for_consul

# Remove and purge are dpkg's; test_rpm tells it of rpm.
pytestmark = [pytest.mark.family("deb"), pytest.mark.sequence]


@pytest.fixture(scope="module")
def host(bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer) -> Iterator[Host]:
    """Give a host on which all that the package depends on is at work already."""
    with bed.host(ready, name=f"{distribution.name}-removal", resolv_conf=upstream.resolv_conf) as host:
        host.put("/etc/environment", ENVIRONMENT)
        installer.bring(host)
        yield host


@pytest.fixture(scope="module")
def before(host: Host) -> tree.Tree:
    """Give the host's tree before the package's first install."""
    return host.tree()


def test_an_install_keeps_foreign_lines_of_the_environment(host: Host, before: tree.Tree, installer: Installer) -> None:
    installer.install(host)
    installer.become_server(host)
    assert host.file("/etc/environment").text.encode().startswith(ENVIRONMENT)
    assert host.run(f"{DIG} consul.service.consul").stdout.strip() == host.address()


def test_a_removal_leaves_configuration_files_alone(host: Host, before: tree.Tree, installer: Installer) -> None:
    conffiles = set(host.output(["dpkg-query", "--show", "--showformat=${Conffiles}", NAME]).split()[::2])
    installer.remove(host)
    after = host.tree()
    difference = tree.compare(before, after)
    # debhelper's way: that the target was enabled is remembered until the purge, and it is masked meanwhile.
    memory = {path for path in difference.left if path.endswith(f"/{NAME}.target")}
    assert {path for path in difference.left if after[path].kind != "d"} - memory == conffiles
    assert (difference.changed, difference.missing) == ((), ())


def test_a_removal_leaves_nothing_running(host: Host) -> None:
    assert_nothing_runs(host)
    assert host.output(f"{DIG} {upstream.NAME}") == upstream.ADDRESS


def test_a_login_shell_gets_no_address_that_is_gone(host: Host) -> None:
    """The script below profile.d is a conffile and stays until the purge."""
    assert host.file("/etc/profile.d/consul-docker-host.sh").exists
    assert host.output(["sh", "-lc", 'echo "${CONSUL_HTTP_ADDR-}${CONSUL_RPC_ADDR-}"']) == ""


def test_consul_does_not_run_on_removed_settings(host: Host) -> None:
    """What still runs would listen at an address that is gone, and could not be started again."""
    assert f"/run/{NAME}" not in host.output("ps -eo args=")


def test_an_install_after_a_removal_works(host: Host, installer: Installer) -> None:
    installer.install(host)
    wait_for_consul(host)
    assert host.failed_units() == ""


def test_a_purge_leaves_the_tree_as_it_was(host: Host, before: tree.Tree, installer: Installer) -> None:
    installer.purge(host)
    difference = tree.compare(before, host.tree())
    assert difference == tree.Difference(left=(), changed=(), missing=())
    assert host.file("/etc/environment").text.encode() == ENVIRONMENT


def test_a_purge_leaves_nothing_running(host: Host) -> None:
    assert_nothing_runs(host)
    assert host.output(f"{DIG} {upstream.NAME}") == upstream.ADDRESS


def test_consul_starts_without_us(host: Host) -> None:
    host.run("systemctl stop consul.service")
    assert f"/run/{NAME}" not in host.output("ps -eo args=")
    assert host.output("systemctl show --property=DropInPaths --value consul.service") == ""


def test_an_install_after_a_purge_works(host: Host, installer: Installer) -> None:
    installer.install(host)
    installer.become_server(host)
    assert host.output(f"{DIG} consul.service.consul") == host.address()
