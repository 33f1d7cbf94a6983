"""Story: rpm is killed at any moment of an installation or an upgrade, and the same command, repeated, heals it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.install.kit import FILL
from tests.install.rpm_kit import Rpm, is_settled
from tests.support import tree
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import put_file
from tests.support.containers.upstream import Upstream
from tests.support.packages import NAME, Installer
from tests.support.variants import build_variant

pytestmark = pytest.mark.family("rpm")
MOMENTS, LONG_MOMENTS = 10, 50
EARLIER = "/var/tmp/earlier.rpm"
TARGET = f"{NAME}.target"
KILL = """
rpm --force-debian --upgrade {0} >/dev/null 2>&1 & process=$!
sleep {1:.3f}
kill -9 $process 2>/dev/null
wait $process
"""
# In systemctl's place: as if the power failed when a scriptlet comes to it.
POWER_FAILURE = "#!/bin/sh\nkill -9 $(pgrep -x rpm) $PPID\n"
FAKE = "/var/tmp/systemctl"
# rpm names what it unpacks by the second in which it started; a repetition in the same one stumbles over the first.
NEXT_SECOND = "sleep 1"


@pytest.fixture(scope="module")
def host(
    bed: Bed,
    base: str,
    upstream: Upstream,
    distribution: Distribution,
    installer: Installer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Host]:
    """Give a host without Consul, which takes its time to end, and with two versions at hand."""
    earlier = build_variant(tmp_path_factory.mktemp("earlier"), "rpm", settings='[package]\nversion = "0.0.9"')
    with bed.host(base, name=f"{distribution.name}-killed", resolv_conf=upstream.resolv_conf) as host:
        installer.install_dependencies(host)
        put_file(host.container, EARLIER, earlier)
        yield host


@pytest.fixture(scope="module")
def before(host: Host) -> tree.Tree:
    """Give the host's tree before any version was installed."""
    return host.tree()


@pytest.fixture(scope="module")
def clean(host: Host, before: tree.Tree, installer: Installer) -> tree.Tree:
    """Give the host's tree with the package, as an undisturbed installation leaves it."""
    Rpm(host).run("--upgrade", installer.target)
    host.wait_until(lambda: is_settled(host), 30)
    after = host.tree()
    Rpm(host).run("--erase", NAME)
    return after


@pytest.fixture(scope="module")
def moments(host: Host, clean: tree.Tree, installer: Installer, request: pytest.FixtureRequest) -> list[float]:
    """Give the seconds after which rpm is killed, more of them while it unpacks than while its scriptlets run."""
    start = time.monotonic()
    Rpm(host).run("--upgrade", installer.target)
    duration = time.monotonic() - start
    Rpm(host).run("--erase", NAME)
    count = LONG_MOMENTS if request.config.getoption("long") else MOMENTS
    return [duration * ((number + 0.5) / count) ** 2 for number in range(count)]


def kill(host: Host, package: str, moment: float) -> bool:
    """Kill rpm at work and say whether it was."""
    return host.run(KILL.format(package, moment), check=False).returncode == 137


def go_back(host: Host) -> None:
    """Bring the earlier version to work."""
    Rpm(host).run("--upgrade", "--oldpackage", "--replacepkgs", EARLIER)
    host.wait_until(lambda: is_settled(host), 30)


def assert_healed(host: Host, installer: Installer) -> None:
    """Repeat the command and fail unless one version is there and all of it."""
    host.run(NEXT_SECOND)
    Rpm(host).run("--upgrade", "--replacepkgs", installer.target)
    assert len(Rpm(host).versions()) == 1
    assert Rpm(host).verify() == ""
    assert host.service(TARGET).is_enabled
    assert host.output("find / -xdev -name '*;*' -path '*consul*'") == ""


@pytest.mark.timeout(1800)
def test_a_killed_installation_heals(host: Host, before: tree.Tree, moments: list[float], installer: Installer) -> None:
    killed = 0
    for moment in moments:
        killed += kill(host, installer.target, moment)
        assert len(Rpm(host).versions()) <= 1
        assert_healed(host, installer)
        Rpm(host).run("--erase", NAME)
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())
    assert killed > len(moments) // 2


def test_a_first_installation_cut_short_is_one_still(host: Host, clean: tree.Tree, installer: Installer) -> None:
    """The package is in rpm's books by then, and the repetition is called an upgrade."""
    host.put(FAKE, POWER_FAILURE, mode=0o755)
    host.run(f"mount --bind {FAKE} /usr/bin/systemctl")
    result = host.run(["rpm", "--force-debian", "--upgrade", installer.target], check=False)
    host.run(f"umount /usr/bin/systemctl && rm {FAKE}")
    assert result.returncode == 137
    assert len(Rpm(host).versions()) == 1
    assert not host.service(TARGET).is_enabled
    assert_healed(host, installer)
    Rpm(host).run("--erase", NAME)


@pytest.mark.timeout(1800)
def test_a_killed_upgrade_heals(host: Host, clean: tree.Tree, moments: list[float], installer: Installer) -> None:
    killed = 0
    for moment in moments:
        go_back(host)
        killed += kill(host, installer.target, moment)
        assert host.service(TARGET).is_active
        assert_healed(host, installer)
    host.wait_until(lambda: is_settled(host), 30)
    assert tree.compare(clean, host.tree()) == tree.Difference(left=(), changed=(), missing=())
    assert killed > len(moments) // 2


def test_disabled_stays_disabled_when_the_upgrade_was_killed(
    host: Host, moments: list[float], installer: Installer
) -> None:
    go_back(host)
    host.run(["systemctl", "disable", TARGET])
    kill(host, installer.target, moments[len(moments) // 2])
    host.run(NEXT_SECOND)
    Rpm(host).run("--upgrade", "--replacepkgs", installer.target)
    assert not host.service(TARGET).is_enabled


def test_a_read_only_etc_is_told_and_the_repetition_succeeds(
    host: Host, before: tree.Tree, installer: Installer
) -> None:
    host.run(["rpm", "--force-debian", "--erase", NAME], check=False)
    host.run("mount --bind /etc /etc && mount -o remount,bind,ro /etc")
    failed = host.run(["rpm", "--force-debian", "--upgrade", installer.target], check=False)
    host.run("umount /etc")
    assert failed.returncode != 0
    # rpm finds no room on what it may not write to, and says that before it begins.
    assert "Read-only file system" in failed.output or "more space on the" in failed.output, failed.output
    assert Rpm(host).versions() == []
    assert_healed(host, installer)
    Rpm(host).run("--erase", NAME)
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())


@pytest.mark.parametrize("folder", [f"/usr/lib/{NAME}", "/usr/lib/systemd/system"])
def test_a_full_disk_leaves_the_old_version_whole(host: Host, installer: Installer, folder: str) -> None:
    go_back(host)
    host.run(FILL.format(folder=folder))
    failed = host.run(["rpm", "--force-debian", "--upgrade", installer.target], check=False)
    whole = host.run(f"diff -r /var/tmp/full {folder}", check=False).returncode
    host.run(f"umount {folder}; rm -rf /var/tmp/full")
    assert failed.returncode != 0
    assert "needs" in failed.output or "No space left" in failed.output, failed.output
    assert (Rpm(host).versions(), whole) == (["0.0.9"], 0), failed.output
    assert_healed(host, installer)
