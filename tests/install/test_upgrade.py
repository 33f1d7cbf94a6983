"""Story: upgrade and downgrade between versions that differ in files, units and conffiles, beside a running Consul."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.install.deb_kit import Deb
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.settled import settled_image
from tests.support.containers.upstream import Upstream
from tests.support.packages import DIG, NAME, Installer, wait_for_consul
from tests.support.variants import OLD_CONFFILE, OLD_UNIT

pytestmark = [pytest.mark.family("deb"), pytest.mark.short_form_on("debian-13"), pytest.mark.sequence]
EDITED = "/etc/dnsmasq.d/consul.conf"


@pytest.fixture(scope="module")
def host(
    bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer, old: Path
) -> Iterator[Host]:
    """Give a cluster of one on which the earlier version is at work."""
    earlier = Installer(package=old, family=distribution.family)
    image = settled_image(bed, ready, f"{distribution.name}-earlier", earlier)
    with bed.host(image, name=f"{distribution.name}-versions", resolv_conf=upstream.resolv_conf) as host:
        installer.bring(host)
        wait_for_consul(host)
        yield host


def at_work(host: Host) -> None:
    wait_for_consul(host)
    assert Deb(host).verify() == ""
    assert host.service(f"{NAME}.target").is_active
    assert host.failed_units() == ""


def test_the_earlier_version_works(host: Host) -> None:
    # /etc/default was edited, as it is meant to be.
    assert Deb(host).verify().splitlines() == ["??5?????? c /etc/default/consul-docker-host"]
    assert host.service(OLD_UNIT).is_active


def test_an_upgrade_takes_old_files_and_units_away(host: Host, installer: Installer) -> None:
    deb = Deb(host)
    consul = deb.main_process("consul.service")
    deb.apt("install", installer.target)
    assert deb.version() != "0.0.9"
    assert not host.file(f"/usr/lib/systemd/system/{OLD_UNIT}").exists
    assert host.run(["systemctl", "cat", OLD_UNIT], check=False).returncode != 0
    assert not host.service(OLD_UNIT).is_active
    # Nothing that Consul reads has changed: a restart would take this host out of the cluster for seconds.
    assert deb.main_process("consul.service") == consul
    assert "# earlier" not in host.file(EDITED).text
    assert host.service(f"{NAME}-watch.service").is_active
    wait_for_consul(host)
    assert host.failed_units() == ""


def test_a_setting_of_the_host_survives_and_nothing_else_differs(host: Host) -> None:
    assert "ROLE=server" in host.file(f"/etc/default/{NAME}").text
    assert Deb(host).verify().splitlines() == ["??5?????? c /etc/default/consul-docker-host"]


def test_a_downgrade_works_as_well(host: Host, old: Path) -> None:
    deb = Deb(host)
    deb.apt("install", "--allow-downgrades", f"/var/tmp/{old.name}")
    assert deb.version() == "0.0.9"
    wait_for_consul(host)
    host.wait_until(lambda: host.service(OLD_UNIT).is_active, 10, what=f"{OLD_UNIT} is back")
    assert host.failed_units() == ""


def test_an_edited_conffile_survives_an_upgrade_and_ours_is_offered(host: Host, installer: Installer) -> None:
    """Both sides changed it: without an answer dpkg would ask, and with the usual one it keeps the administrator's."""
    host.put(EDITED, host.file(EDITED).text + "server=/corp.example/192.0.2.53\n")
    Deb(host).apt(
        "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "install", installer.target
    )
    assert "corp.example" in host.file(EDITED).text
    assert "corp.example" not in host.file(f"{EDITED}.dpkg-dist").text
    wait_for_consul(host)
    assert host.output(f"{DIG} consul.service.consul") == host.address()


def test_an_edited_conffile_survives_a_removal(host: Host, installer: Installer) -> None:
    Deb(host).apt("remove", NAME)
    assert "corp.example" in host.file(EDITED).text
    assert "ROLE=server" in host.file(f"/etc/default/{NAME}").text
    Deb(host).apt("install", installer.target)
    wait_for_consul(host)
    assert "corp.example" in host.file(EDITED).text


def test_a_disabled_target_stays_disabled(host: Host, installer: Installer, old: Path) -> None:
    deb = Deb(host)
    host.run(["systemctl", "disable", "--now", f"{NAME}.target"])
    deb.apt("install", "--allow-downgrades", "-o", "Dpkg::Options::=--force-confold", f"/var/tmp/{old.name}")
    deb.apt("install", "-o", "Dpkg::Options::=--force-confold", installer.target)
    assert not host.service(f"{NAME}.target").is_enabled
    assert not host.service(f"{NAME}.target").is_active


def test_a_masked_target_stays_masked(host: Host, installer: Installer, old: Path) -> None:
    deb = Deb(host)
    host.run(["systemctl", "mask", f"{NAME}.target"])
    deb.apt("install", "--allow-downgrades", "-o", "Dpkg::Options::=--force-confold", f"/var/tmp/{old.name}")
    deb.apt("install", "-o", "Dpkg::Options::=--force-confold", installer.target)
    assert host.file(f"/etc/systemd/system/{NAME}.target").target == "/dev/null"
    host.run(f"systemctl unmask {NAME}.target && systemctl enable --now {NAME}.target")
    wait_for_consul(host)


def test_the_administrator_s_unit_wins_over_ours(host: Host, installer: Installer) -> None:
    unit = f"{NAME}-watch.service"
    host.put(f"/etc/systemd/system/{unit}", "[Service]\nExecStart=/bin/sleep infinity\n")
    Deb(host).apt("install", "--reinstall", installer.target)
    host.run(f"systemctl daemon-reload && systemctl restart {unit}")
    assert "sleep infinity" in host.output(["systemctl", "show", "--property=ExecStart", unit])
    host.run(f"rm /etc/systemd/system/{unit} && systemctl daemon-reload && systemctl restart {unit}")


def test_a_purge_takes_the_conffiles_of_earlier_versions_too(host: Host) -> None:
    assert host.file(OLD_CONFFILE).exists
    Deb(host).apt("purge", NAME)
    for path in (OLD_CONFFILE, EDITED, f"{EDITED}.dpkg-dist", f"/etc/default/{NAME}"):
        assert not host.file(path).exists
    assert Deb(host).status() == ""
