"""Story: rpm is killed at any step of what it does, and the same command, repeated, heals it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.install.kit import FILL
from tests.install.rpm_kit import Rpm, is_settled
from tests.install.step_kit import Interruption, choose, scripts, spread
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
# In systemctl's place: as if the power failed when a scriptlet comes to it.
POWER_FAILURE = "#!/bin/sh\nkill -9 $(pgrep -x rpm) $PPID\n"
FAKE = "/var/tmp/systemctl"
# rpm names what it unpacks by the second in which it started; a repetition in the same one stumbles over the first.
NEXT_SECOND = "sleep 1"


@pytest.fixture(scope="module")
def host(
    bed: Bed,
    ready_base: str,
    upstream: Upstream,
    distribution: Distribution,
    installer: Installer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Host]:
    """Give a host without Consul, which takes its time to end, and with two versions at hand."""
    earlier = build_variant(tmp_path_factory.mktemp("earlier"), "rpm", settings='[package]\nversion = "0.0.9"')
    with bed.host(ready_base, name=f"{distribution.name}-killed", resolv_conf=upstream.resolv_conf) as host:
        installer.bring(host)
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


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> int:
    return LONG_MOMENTS if request.config.getoption("long") else MOMENTS


@pytest.fixture(scope="module")
def upgrade(host: Host, clean: tree.Tree, installer: Installer) -> Interruption:
    """Give the upgrade from the earlier version."""
    return Interruption(host=host, command=upgrade_command(installer), back=lambda: go_back(host))


@pytest.fixture(scope="module")
def upgrade_steps(host: Host, upgrade: Interruption) -> list[str]:
    """Give the steps of an undisturbed upgrade."""
    go_back(host)
    return upgrade.steps()


def upgrade_command(installer: Installer) -> list[str]:
    """Return the command that installs the package or brings it to the present version."""
    return ["rpm", "--force-debian", "--upgrade", installer.target]


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
def test_a_killed_installation_heals(
    host: Host, before: tree.Tree, clean: tree.Tree, moments: int, installer: Installer
) -> None:
    install = Interruption(host=host, command=upgrade_command(installer), back=lambda: Rpm(host).run("--erase", NAME))
    steps = install.steps()
    assert scripts(steps) == ["scriptlet-1", "scriptlet-2", "scriptlet-3"], "%pre, %post, %posttrans"
    for number, step in enumerate(choose(steps, moments)):
        # Where rpm alone is killed, as when memory is short, the script that it has started runs to its end.
        install.kill(step, is_all=number % 2 == 1)
        assert len(Rpm(host).versions()) <= 1
        assert_healed(host, installer)
        Rpm(host).run("--erase", NAME)
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())


@pytest.mark.timeout(1800)
def test_a_killed_erasure_leaves_nothing_when_repeated(
    host: Host, before: tree.Tree, clean: tree.Tree, moments: int, installer: Installer
) -> None:
    def install() -> None:
        Rpm(host).run("--upgrade", installer.target)
        host.wait_until(lambda: is_settled(host), 30)

    install()
    erasure = Interruption(host=host, command=["rpm", "--force-debian", "--erase", NAME], back=install)
    steps = erasure.steps()
    assert scripts(steps) == ["scriptlet-1", "scriptlet-2"], "%preun, %postun"
    for number, step in enumerate(choose(steps, moments // 2)):
        erasure.kill(step, is_all=number % 2 == 1)
        if Rpm(host).versions():
            Rpm(host).run("--erase", NAME)
        assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=()), step
        assert host.failed_units() == ""
        install()
    Rpm(host).run("--erase", NAME)


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
def test_a_killed_upgrade_heals(
    host: Host, clean: tree.Tree, upgrade: Interruption, upgrade_steps: list[str], moments: int, installer: Installer
) -> None:
    ran = ["scriptlet-1", "scriptlet-2", "scriptlet-3", "scriptlet-4", "scriptlet-5"]
    assert scripts(upgrade_steps) == ran, "%pre, %post, %preun and %postun of the earlier version, %posttrans"
    for number, step in enumerate(choose(upgrade_steps, moments)):
        go_back(host)
        upgrade.kill(step, is_all=number % 2 == 1)
        assert host.service(TARGET).is_active
        assert_healed(host, installer)
    host.wait_until(lambda: is_settled(host), 30)
    assert tree.compare(clean, host.tree()) == tree.Difference(left=(), changed=(), missing=())


def test_disabled_stays_disabled_when_the_upgrade_was_killed(
    host: Host, upgrade: Interruption, upgrade_steps: list[str], installer: Installer
) -> None:
    go_back(host)
    host.run(["systemctl", "disable", TARGET])
    upgrade.kill(spread(upgrade_steps, 1)[0], is_all=False)
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
