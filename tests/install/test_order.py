"""Story: without systemd, without leave to start services, into another root: silent, and right at the next boot."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import docker
import pytest

from consul_docker_host.core.run import Result
from consul_docker_host.prove.distributions import Distribution
from tests.install.deb_kit import Deb
from tests.support import tree
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import temporary_container
from tests.support.containers.upstream import Upstream
from tests.support.packages import NAME, Installer, wait_for_consul

pytestmark = pytest.mark.family("deb")
WANTED = f"/etc/systemd/system/multi-user.target.wants/{NAME}.target"
DENY = "#!/bin/sh\nexit 101\n"


@contextlib.contextmanager
def chroot_of(client: docker.DockerClient, image: str) -> Iterator[Host]:
    """Give a root in which no systemd runs, as image builders have it."""
    with temporary_container(client, image) as container:
        yield Host(container=container, name="chroot")


def own_words(said: Result) -> list[str]:
    """Return what our scripts say; dpkg's own lines and deb-systemd-helper's, which every package has, are left out."""
    theirs = (
        "dpkg:",
        "Created symlink",
        " ",
        "Selecting",
        "(Reading",
        "Preparing",
        "Unpacking",
        "Setting up",
        "Processing",
        "Removing",
        "Purging",
    )
    return [line for line in said.output.splitlines() if line and not line.startswith(theirs)]


@pytest.fixture(scope="module")
def denied(
    bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer
) -> Iterator[Host]:
    """Give a booted host whose policy-rc.d forbids to start anything."""
    with bed.host(ready, name=f"{distribution.name}-order", resolv_conf=upstream.resolv_conf) as host:
        installer.bring(host)
        host.put("/usr/sbin/policy-rc.d", DENY, mode=0o755)
        yield host


def test_an_install_without_systemd_is_silent_and_enables_the_target(
    engine: docker.DockerClient, ready: str, installer: Installer
) -> None:
    with chroot_of(engine, ready) as root:
        root.put("/usr/sbin/policy-rc.d", DENY, mode=0o755)
        installer.bring(root)
        deb = Deb(root)
        before = root.tree()
        assert own_words(deb.dpkg("--install", installer.target)) == []
        assert root.file(WANTED).target.endswith(f"/lib/systemd/system/{NAME}.target")
        assert deb.verify() == ""
        assert own_words(deb.dpkg("--purge", NAME)) == []
        assert tree.compare(before, root.tree()) == tree.Difference(left=(), changed=(), missing=())


def test_an_install_into_another_root_touches_nothing_of_this_host(
    engine: docker.DockerClient, ready: str, installer: Installer
) -> None:
    """DPKG_ROOT: dpkg runs the scripts of this system against a root that has no programs of its own."""
    with chroot_of(engine, ready) as root:
        installer.bring(root)
        root.run("mkdir -p /srv/target/etc /srv/target/var/lib/dpkg/info /srv/target/var/lib/dpkg/updates")
        root.run("touch /srv/target/var/lib/dpkg/status")
        before = {path: entry for path, entry in root.tree().items() if not path.startswith("/srv")}
        options = ("--root=/srv/target", "--force-script-chrootless", "--force-depends")
        said = Deb(root).dpkg(*options, "--install", installer.target)
        # The helper of Debian 11 asks this host's systemd about the other root's units, says so, and enables nothing.
        theirs = ("Failed to preset unit", "/usr/bin/deb-systemd-helper: error: systemctl preset failed")
        complaints = [line for line in own_words(said) if line.startswith(theirs)]
        assert own_words(said) == complaints
        after = {path: entry for path, entry in root.tree().items() if not path.startswith("/srv")}
        assert tree.compare(before, after) == tree.Difference(left=(), changed=(), missing=())
        if not complaints:
            assert root.file(f"/srv/target{WANTED}").target == f"/usr/lib/systemd/system/{NAME}.target"
        assert "CONSUL_HTTP_ADDR" in root.file("/srv/target/etc/environment").text
        Deb(root).dpkg(*options, "--purge", NAME)
        left = root.output(
            "find /srv/target -xdev ! -type d ! -path '*/var/lib/dpkg/*' ! -path '*/deb-systemd-helper*'"
        )
        assert left in {"", "/srv/target/etc/environment"}


def test_nothing_is_started_where_that_is_forbidden(denied: Host, installer: Installer) -> None:
    assert own_words(Deb(denied).dpkg("--install", installer.target)) == []
    assert denied.file(WANTED).exists
    assert not denied.service(f"{NAME}.target").is_active
    assert not denied.service("consul.service").is_active


def test_it_is_right_at_the_next_boot(denied: Host, installer: Installer) -> None:
    path = f"/etc/default/{NAME}"
    denied.put(path, denied.file(path).text + "ROLE=server\nBOOTSTRAP_EXPECT=1\n")
    # What the next boot does: systemd reads its units anew and starts what is wanted.
    denied.run("systemctl daemon-reload && systemctl --no-block isolate multi-user.target")
    wait_for_consul(denied)
    assert denied.service(f"{NAME}.target").is_active
    assert denied.failed_units() == ""


def test_a_consul_that_goes_leaves_the_rest_at_work(denied: Host) -> None:
    denied.run("rm /usr/sbin/policy-rc.d")
    Deb(denied).apt("purge", "consul")
    assert denied.service("dnsmasq.service").is_active
    assert denied.service(f"{NAME}.target").is_active
    assert "there is no consul command" in denied.run([NAME, "check"], check=False).stdout


def test_the_package_goes_with_dnsmasq_which_it_needs(denied: Host) -> None:
    Deb(denied).apt("remove", "dnsmasq")
    assert not Deb(denied).status().startswith("ii")
    # dnsmasq's own unit may fail: its program goes while it starts again without us.
    assert [line for line in denied.failed_units().splitlines() if not line.startswith("dnsmasq.service")] == []
