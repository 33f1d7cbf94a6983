"""Story: an rpm goes up and down a version while everything runs on, and the administrator's will outlives it all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove.distributions import Distribution
from tests.install.kit import ENVIRONMENT
from tests.install.rpm_kit import Rpm, is_settled
from tests.support import tree
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import put_file
from tests.support.containers.upstream import Upstream
from tests.support.packages import NAME, Installer, wait_for_consul
from tests.support.variants import build_variant

pytestmark = [pytest.mark.family("rpm"), pytest.mark.sequence]
CONFIG = f"/etc/default/{NAME}"
TARGET = f"{NAME}.target"
OLD_UNIT = f"{NAME}-former.service"
EARLIER, EVEN_EARLIER = "/var/tmp/earlier.rpm", "/var/tmp/even-earlier.rpm"
LEGACY = '[package]\nversion = "0.0.8"\n[[services]]\nname = "legacy"\nport = 80\n'
OVERRIDE = """
[Service]
Type=forking
PIDFile=/run/dnsmasq.pid
EnvironmentFile=/etc/sysconfig/dnsmasq
ExecStart=/usr/sbin/dnsmasq $OPTIONS
"""


def with_other_files(work: Workspace) -> None:
    """Make a version of which a unit has gone since, and a script and a configuration file have changed."""
    units = work.files / "usr/lib/systemd/system"
    (units / OLD_UNIT).write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n", encoding="utf-8")
    for name in ("etc/default/consul-docker-host.j2", f"usr/lib/{NAME}/watch"):
        path = work.files / name
        path.write_text(path.read_text(encoding="utf-8") + "# as it was in 0.0.9\n", encoding="utf-8")


@pytest.fixture(scope="module")
def host(
    bed: Bed,
    ready: str,
    upstream: Upstream,
    distribution: Distribution,
    installer: Installer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Host]:
    """Give a host with three versions at hand and none installed."""
    earlier = build_variant(
        tmp_path_factory.mktemp("earlier"),
        "rpm",
        backend="nfpm",
        settings='[package]\nversion = "0.0.9"',
        change=with_other_files,
    )
    even_earlier = build_variant(tmp_path_factory.mktemp("even-earlier"), "rpm", settings=LEGACY)
    with bed.host(ready, name=f"{distribution.name}-upgrade", resolv_conf=upstream.resolv_conf) as host:
        host.put("/etc/environment", ENVIRONMENT)
        installer.bring(host)
        put_file(host.container, EARLIER, earlier)
        put_file(host.container, EVEN_EARLIER, even_earlier)
        yield host


@pytest.fixture(scope="module")
def before(host: Host) -> tree.Tree:
    """Give the host's tree before any version was installed."""
    return host.tree()


@pytest.fixture(scope="module")
def version(installer: Installer) -> str:
    """Give the version under test."""
    return Path(installer.package).name.removeprefix(f"{NAME}-").rsplit("-", 1)[0]


def assert_whole(host: Host, version: str) -> None:
    """Fail unless one version is there, all of it, and at work."""
    host.wait_until(lambda: is_settled(host), 30)
    assert Rpm(host).versions() == [version]
    said = Rpm(host).verify().splitlines()
    assert [line.split() for line in said] == [["S.5....T.", "c", CONFIG]], said
    assert host.service(TARGET).is_enabled
    assert host.failed_units() == ""


def processes(host: Host) -> list[str]:
    return [Rpm(host).main_process(f"{unit}.service") for unit in ("consul", "dnsmasq")]


def test_what_an_earlier_version_had_more_is_taken_back(host: Host, before: tree.Tree, installer: Installer) -> None:
    """A service of the old version's stays in Consul until Consul is told after the old files have gone."""
    Rpm(host).run("--upgrade", EVEN_EARLIER)
    host.put(CONFIG, host.file(CONFIG).text + "ROLE=server\nBOOTSTRAP_EXPECT=1\n")
    host.run([NAME, "apply"])
    wait_for_consul(host)
    services = "curl --silent --fail http://169.254.1.1:8500/v1/agent/services"
    host.wait_until(f"{services} | grep -q legacy", 20)
    Rpm(host).run("--upgrade", installer.target)
    wait_for_consul(host)
    host.wait_until(f"{services} | jq -e '. == {{}}'", 20)


@pytest.mark.parametrize("manager", ["rpm", "dnf"])
def test_down_and_up_again_nothing_restarts(host: Host, installer: Installer, version: str, manager: str) -> None:
    assert "0" not in processes(host)
    running = processes(host)
    if manager == "rpm":
        Rpm(host).run("--upgrade", "--oldpackage", EARLIER)
    else:
        Rpm(host).dnf("downgrade", EARLIER)
    assert_whole(host, "0.0.9")
    assert host.file(f"{CONFIG}.rpmnew").exists
    watch = Rpm(host).main_process(f"{NAME}-watch.service")
    if manager == "rpm":
        Rpm(host).run("--upgrade", installer.target)
    else:
        Rpm(host).dnf("upgrade", installer.target)
    assert_whole(host, version)
    assert processes(host) == running
    assert Rpm(host).main_process(f"{NAME}-watch.service") != watch, "the old script would run on"
    state = host.output(["systemctl", "show", "--property=LoadState", "--value", OLD_UNIT])
    assert state == "not-found", "systemd still knows a unit of the old version"


def test_the_administrator_s_file_is_kept_and_ours_offered(host: Host) -> None:
    assert "BOOTSTRAP_EXPECT=1" in host.file(CONFIG).text
    assert "BOOTSTRAP_EXPECT=1" not in host.file(f"{CONFIG}.rpmnew").text


def down_and_up(host: Host, installer: Installer) -> None:
    Rpm(host).run("--upgrade", "--oldpackage", EARLIER)
    Rpm(host).run("--upgrade", installer.target)


def test_disabled_stays_disabled(host: Host, installer: Installer) -> None:
    host.run(["systemctl", "disable", "--now", TARGET])
    down_and_up(host, installer)
    assert not host.service(TARGET).is_enabled
    assert not host.service(TARGET).is_active
    host.run(["systemctl", "enable", "--now", TARGET])


def test_masked_stays_masked(host: Host, installer: Installer) -> None:
    host.run(["systemctl", "disable", "--now", TARGET])
    host.run(["systemctl", "mask", TARGET])
    down_and_up(host, installer)
    assert host.run(["systemctl", "is-enabled", TARGET], check=False).stdout.strip() == "masked"
    assert not host.service(TARGET).is_active
    host.run(["systemctl", "unmask", TARGET])
    host.run(["systemctl", "enable", "--now", TARGET])
    host.wait_until(lambda: is_settled(host), 30)


def test_an_override_of_a_vendor_unit_wins(host: Host, installer: Installer) -> None:
    host.run("mkdir -p /etc/sysconfig")
    host.put("/etc/sysconfig/dnsmasq", 'OPTIONS="--log-queries --dns-forward-max=77"\n')
    host.put("/etc/systemd/system/dnsmasq.service", OVERRIDE)
    host.run("systemctl daemon-reload")
    down_and_up(host, installer)
    host.wait_until("pgrep --full 'dnsmasq.* --dns-forward-max=77'", 20)
    host.wait_until(lambda: is_settled(host), 30)
    assert host.failed_units() == ""
    host.run("rm -r /etc/systemd/system/dnsmasq.service /etc/sysconfig && systemctl daemon-reload")


def test_an_erasure_keeps_the_administrator_s_file_alone(host: Host, before: tree.Tree) -> None:
    edited = host.file(CONFIG).text
    host.run(["rm", f"{CONFIG}.rpmnew"])
    Rpm(host).run("--erase", NAME)
    assert tree.compare(before, host.tree()) == tree.Difference(left=(f"{CONFIG}.rpmsave",), changed=(), missing=())
    assert host.file(f"{CONFIG}.rpmsave").text == edited
    assert host.file("/etc/environment").text.encode() == ENVIRONMENT
