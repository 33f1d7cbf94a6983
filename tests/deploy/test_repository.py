"""Story: hosts that take their packages from a signed repository: versions, channels, wrong key, removal, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.prove.distributions import Family
from pyinfra_deploy.repository import KEY_FILES, source_file
from tests.deploy.kit import Fleet, fleet_of, of, ready_ssh_image, trouble
from tests.repository.client import Client
from tests.repository.site import NEW_VERSION, OLD_VERSION, URL, Site, make_keys, published_site
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.packages import NAME

pytestmark = pytest.mark.sequence

FAMILIES = {"server": Family.DEB, "client-rpm": Family.RPM}


@pytest.fixture(scope="module")
def fleet(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Give a server that apt manages and a client that dnf manages, whose dependencies are there."""
    images = [("server", ready_ssh_image(bed, "debian-13")), ("client-rpm", ready_ssh_image(bed, "rpm-12"))]
    with fleet_of(bed, tmp_path_factory.mktemp("fleet"), *images) as running:
        # What apt says is of our archive alone: no other can be reached.
        running.server.run("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*")
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Give published trees."""
    return published_site(tmp_path_factory.mktemp("published") / "site", make_keys())


@pytest.fixture(scope="module")
def key(fleet: Fleet, site: Site) -> Path:
    """Give the archive's public key as a file of the operator's."""
    path = fleet.folder / "archive.asc"
    path.write_text(site.keys.public("old"))
    return path


def serve(fleet: Fleet, tree: Path) -> None:
    """Serve a tree to every host, on its own loopback."""
    for host in fleet.hosts:
        Client(host).serve(tree)


def wanted(key: Path, version: str, **more: object) -> dict[str, object]:
    """Return the data of a fleet on the repository."""
    return {"cdh_repository_url": URL, "cdh_repository_key": str(key), "cdh_version": version, **more}


def origin(host: Host) -> str:
    """Return what the host's package manager says of where the package comes from."""
    asked = f"apt-cache policy {NAME}" if FAMILIES[host.name] is Family.DEB else f"dnf --quiet info --installed {NAME}"
    return host.output(asked)


def test_a_repository_that_another_key_signed_is_refused(fleet: Fleet, site: Site) -> None:
    wrong = fleet.folder / "wrong.asc"
    wrong.write_text(site.keys.public("wrong"))
    serve(fleet, site.trees["old"])
    fleet.write(wanted(wrong, OLD_VERSION))
    for group in ("servers", "clients"):
        report = fleet.report("deploy", f"--limit={group}")
        failed = report["hosts"][0]
        assert (failed["state"], failed["step"], failed["after"]) == ("failed", "Install the package", ""), failed
        assert "cdh_repository_key" in failed["remedy"], failed


def test_a_fleet_is_installed_from_the_repository_and_a_second_run_changes_nothing(
    fleet: Fleet, site: Site, key: Path
) -> None:
    serve(fleet, site.trees["old"])
    fleet.write(wanted(key, OLD_VERSION))
    report = fleet.report("deploy")
    assert report["ok"], trouble(report)
    for host in fleet.hosts:
        assert of(report, host)["after"].startswith(OLD_VERSION)
    assert f"{URL}/apt" in origin(fleet.hosts[0])
    assert NAME in origin(fleet.hosts[1])
    again = fleet.report("deploy")
    assert again["ok"], trouble(again)
    assert [one["changed"] for one in again["hosts"]] == [[], []]


def test_the_version_is_the_one_that_is_named_newer_or_older(fleet: Fleet, site: Site, key: Path) -> None:
    serve(fleet, site.trees["new"])
    for version in (NEW_VERSION, OLD_VERSION, NEW_VERSION):
        fleet.write(wanted(key, version))
        report = fleet.report("deploy")
        assert report["ok"], trouble(report)
        assert [one["after"].startswith(version) for one in report["hosts"]] == [True, True]
        assert [one["changed"][0] for one in report["hosts"]] == ["Install the package"] * len(fleet.hosts)


def test_testing_comes_on_top_of_stable_and_goes_again(fleet: Fleet, site: Site, key: Path) -> None:
    serve(fleet, site.publish("rotated", "--channel=testing"))
    for channel, is_there in (("testing", True), ("stable", False)):
        fleet.write(wanted(key, NEW_VERSION, cdh_channel=channel))
        report = fleet.report("deploy")
        assert report["ok"], trouble(report)
        for host in fleet.hosts:
            family = FAMILIES[host.name].value
            assert host.file(source_file(family, "testing")).exists is is_there
            assert host.file(source_file(family, "stable")).exists


def test_a_version_that_is_not_there_is_told_and_the_host_stays_as_it_is(fleet: Fleet, key: Path) -> None:
    fleet.write(wanted(key, "7.7.7"))
    report = fleet.report("deploy")
    assert not report["ok"]
    failed = of(report, fleet.server)
    assert (failed["state"], failed["step"]) == ("failed", "Install the package")
    assert "7.7.7" in failed["reason"], failed
    assert "cdh_version" in failed["remedy"], failed
    assert fleet.server.output(f"dpkg-query -W -f '${{Version}}' {NAME}") == NEW_VERSION


def test_a_removal_forgets_the_repository(fleet: Fleet, key: Path) -> None:
    fleet.write(wanted(key, NEW_VERSION, cdh_purge=True))
    report = fleet.report("deploy.remove")
    assert report["ok"], trouble(report)
    for host in fleet.hosts:
        family = FAMILIES[host.name].value
        for path in (KEY_FILES[family], source_file(family, "stable"), source_file(family, "testing")):
            assert not host.file(path).exists, path
