"""Story: dpkg is killed, the disk is full, /etc is read-only: the state is old or new, and a retry heals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.install.deb_kit import Deb
from tests.install.kit import FILL, assert_late_writers_leave_nothing
from tests.install.step_kit import Interruption, choose, scripts
from tests.support import tree
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.upstream import Upstream
from tests.support.packages import NAME, Installer

pytestmark = [pytest.mark.family("deb"), pytest.mark.short_form_on("debian-13")]
MOMENTS, LONG_MOMENTS = 10, 50


@pytest.fixture(scope="module")
def host(
    bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer, old: Path
) -> Iterator[Host]:
    """Give a host with all that the package depends on, and both versions at hand."""
    with bed.host(ready, name=f"{distribution.name}-killed", resolv_conf=upstream.resolv_conf) as host:
        installer.bring(host)
        Deb(host).put(old)
        yield host


@pytest.fixture(scope="module")
def before(host: Host) -> tree.Tree:
    """Give the host's tree without the package."""
    return host.tree()


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> int:
    return LONG_MOMENTS if request.config.getoption("long") else MOMENTS


def heal(host: Host, package: str) -> None:
    """Do what dpkg tells its user to do after an interruption, and see that all is whole."""
    deb = Deb(host)
    deb.dpkg("--force-confold", "--configure", "--pending", check=False)
    if not deb.status().startswith("ii"):
        # The unpacking itself was interrupted: dpkg asks for the package again.
        deb.dpkg("--force-confold", "--install", package)
    assert deb.status() == "ii"
    assert deb.verify() == ""
    assert host.output("dpkg --audit") == ""


def assert_as_before(host: Host, before: tree.Tree) -> None:
    """Fail where the package has left something, or something does not run."""
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())
    host.wait_until(lambda: host.failed_units() == "" and host.service("dnsmasq").is_active, 10, what="dnsmasq is back")


@pytest.mark.timeout(1800)
def test_an_install_killed_at_any_step_is_healed(
    host: Host, before: tree.Tree, installer: Installer, moments: int
) -> None:
    deb = Deb(host)
    command = ["dpkg", "--force-confold", "--install", installer.target]
    install = Interruption(host=host, command=command, back=lambda: deb.dpkg("--purge", NAME))
    steps = install.steps()
    assert scripts(steps) == ["preinst", "postinst"]
    for number, step in enumerate(choose(steps, moments)):
        install.kill(step)
        deb.dpkg("--configure", "--pending", check=False)
        # Of one that was half unpacked dpkg knows no conffiles yet, and wants it installed before it removes it.
        if number % 2 and deb.status() and not deb.status().endswith("R"):
            # Given up instead of repeated: a purge leaves nothing either.
            deb.dpkg("--purge", NAME)
        else:
            heal(host, installer.target)
            deb.dpkg("--purge", NAME)
        assert_as_before(host, before)


@pytest.mark.timeout(1800)
def test_a_purge_killed_at_any_step_leaves_nothing_when_repeated(
    host: Host, before: tree.Tree, installer: Installer, moments: int
) -> None:
    deb = Deb(host)
    deb.dpkg("--install", installer.target)
    command = ["dpkg", "--purge", NAME]
    purge = Interruption(host=host, command=command, back=lambda: deb.dpkg("--install", installer.target))
    steps = purge.steps()
    assert scripts(steps) == ["prerm", "postrm"]
    for step in choose(steps, moments // 2):
        purge.kill(step)
        deb.dpkg("--purge", NAME)
        assert_as_before(host, before)
        deb.dpkg("--install", installer.target)
    deb.dpkg("--purge", NAME)


def test_a_start_that_is_under_way_does_not_hinder_a_purge(host: Host, installer: Installer) -> None:
    Deb(host).dpkg("--install", installer.target)
    assert_late_writers_leave_nothing(host, ["dpkg", "--purge", NAME])


@pytest.mark.timeout(1800)
def test_an_upgrade_killed_at_any_step_is_the_old_or_the_new_version(
    host: Host, installer: Installer, old: Path, moments: int
) -> None:
    deb = Deb(host)

    def go_back() -> None:
        deb.dpkg("--force-confold", "--install", f"/var/tmp/{old.name}")

    go_back()
    command = ["dpkg", "--force-confold", "--install", installer.target]
    upgrade = Interruption(host=host, command=command, back=go_back)
    steps = upgrade.steps()
    assert scripts(steps) == ["prerm", "preinst", "postrm", "postinst"]
    deb.dpkg("--force-confold", "--install", installer.target)
    new = deb.version()
    for step in choose(steps, moments):
        go_back()
        upgrade.kill(step)
        heal(host, installer.target)
        assert deb.version() in {"0.0.9", new}
        assert host.failed_units() == ""


def test_a_read_only_etc_is_told_and_a_retry_succeeds(host: Host, before: tree.Tree, installer: Installer) -> None:
    deb = Deb(host)
    deb.dpkg("--purge", NAME)
    host.run("mount --bind /etc /etc && mount -o remount,bind,ro /etc")
    failed = deb.dpkg("--install", installer.target, check=False)
    host.run("umount /etc")
    assert failed.returncode != 0
    assert "Read-only file system" in failed.output
    heal(host, installer.target)
    deb.dpkg("--purge", NAME)
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())


@pytest.mark.parametrize("folder", ["/usr/lib/consul-docker-host", "/etc/dnsmasq.d"])
def test_a_full_disk_leaves_the_old_version_whole(host: Host, installer: Installer, old: Path, folder: str) -> None:
    deb = Deb(host)
    deb.dpkg("--force-confold", "--install", f"/var/tmp/{old.name}")
    # All that is there fits, and nothing more.
    host.run(FILL.format(folder=folder))
    failed = deb.dpkg("--force-confold", "--install", installer.target, check=False)
    left = host.output(f"ls -A {folder} | grep -c dpkg-new || :")
    whole = host.run(f"diff -r /var/tmp/full {folder}", check=False).returncode
    host.run(f"umount {folder}; rm -rf /var/tmp/full")
    assert failed.returncode != 0
    assert "No space left" in failed.output
    assert (whole, left) == (0, "0") or folder.startswith("/etc")
    heal(host, installer.target)
    deb.dpkg("--purge", NAME)
