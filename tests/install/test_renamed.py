"""Story: a configuration file has another name in a new version: what the administrator wrote goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.description import Format
from consul_docker_host.prove.distributions import Distribution, Family
from tests.install.deb_kit import Deb
from tests.install.rpm_kit import Rpm, is_settled
from tests.support import tree
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import put_file
from tests.support.containers.upstream import Upstream
from tests.support.packages import NAME
from tests.support.variants import Change, build_variant

pytestmark = [pytest.mark.short_form_on("debian-13", "rpm-12"), pytest.mark.sequence]
FOLDER = f"/etc/{NAME}"
FORMER, RENAMED = f"{FOLDER}/former.env", f"{FOLDER}/renamed.env"
OLD, NEW = "0.0.8", "0.0.9"
OURS, EDITED = {OLD: "OURS=old\n", NEW: "OURS=new\n"}, "OURS=mine\n"
RULE = f'''
[[renamed]]
from = "{FORMER.lstrip("/")}"
to = "{RENAMED.lstrip("/")}"
since = "{NEW}"
'''
OFFERED = {Family.DEB: f"{RENAMED}.dpkg-new", Family.RPM: f"{RENAMED}.rpmnew"}


def with_file(path: str, text: str, rule: str = "") -> Change:
    """Return what gives a package one more configuration file, and its description a rule."""

    def change(work: Workspace) -> None:
        (work.files / path.lstrip("/")).write_text(text, encoding="utf-8")
        description = work.packaging / "packages" / f"{NAME}.toml"
        description.write_text(description.read_text(encoding="utf-8") + rule, encoding="utf-8")

    return change


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, distribution: Distribution) -> dict[str, Path]:
    """Give both versions of the package."""
    package_format: Format = "deb" if distribution.family is Family.DEB else "rpm"
    changes = {OLD: with_file(FORMER, OURS[OLD]), NEW: with_file(RENAMED, OURS[NEW], RULE)}
    return {
        version: build_variant(
            tmp_path_factory.mktemp("renamed") / version,
            package_format,
            settings=f'[package]\nversion = "{version}"\n',
            change=change,
        )
        for version, change in changes.items()
    }


@pytest.fixture(scope="module")
def host(
    bed: Bed,
    ready_base: str,
    upstream: Upstream,
    distribution: Distribution,
    packages: dict[str, Path],
) -> Iterator[Host]:
    """Give a host with both at hand."""
    with bed.host(ready_base, name=f"{distribution.name}-renamed", resolv_conf=upstream.resolv_conf) as host:
        for version, package in packages.items():
            put_file(host.container, f"/var/tmp/{version}.{distribution.family}", package)
        yield host


@pytest.fixture(scope="module")
def before(host: Host) -> tree.Tree:
    """Give the host's tree before any version was installed."""
    return host.tree()


def install(host: Host, version: str, family: Family) -> None:
    """Install a version, newer or older."""
    path = f"/var/tmp/{version}.{family}"
    if family is Family.DEB:
        Deb(host).dpkg("--install", path)
    else:
        Rpm(host).run("--upgrade", "--oldpackage", path)
    host.wait_until(lambda: is_settled(host), 30)


def remove(host: Host, family: Family) -> None:
    """Take the package and its configuration off the host."""
    if family is Family.DEB:
        Deb(host).dpkg("--purge", NAME)
    else:
        Rpm(host).run("--erase", NAME)


def test_an_untouched_file_just_has_its_new_name(host: Host, before: tree.Tree, distribution: Distribution) -> None:
    install(host, OLD, distribution.family)
    install(host, NEW, distribution.family)
    assert host.run(f"cd {FOLDER} && ls former* renamed*; cat renamed.env", check=False).stdout.split() == [
        "renamed.env",
        OURS[NEW].strip(),
    ]
    remove(host, distribution.family)
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())


def test_what_was_edited_goes_with_the_name(host: Host, before: tree.Tree, distribution: Distribution) -> None:
    install(host, OLD, distribution.family)
    host.put(FORMER, EDITED)
    install(host, NEW, distribution.family)
    assert not host.file(FORMER).exists
    assert host.file(RENAMED).text == EDITED
    assert host.file(OFFERED[distribution.family]).text == OURS[NEW]


def test_a_downgrade_and_another_upgrade_lose_nothing(host: Host, distribution: Distribution) -> None:
    install(host, OLD, distribution.family)
    assert host.file(FORMER).text == {Family.DEB: EDITED, Family.RPM: OURS[OLD]}[distribution.family]
    install(host, NEW, distribution.family)
    kept = [path for path in (RENAMED, f"{RENAMED}.rpmsave") if host.file(path).exists]
    assert EDITED in [host.file(path).text for path in kept]


def test_what_was_laid_aside_in_an_earlier_life_stays_there(host: Host, distribution: Distribution) -> None:
    """A removal has left it, and the new version began without it: no later upgrade brings it back."""
    remove(host, distribution.family)
    host.run(f"mkdir -p {FOLDER}")
    for suffix in ("rpmsave", "dpkg-old"):
        host.put(f"{FORMER}.{suffix}", "OURS=stale\n")
    install(host, NEW, distribution.family)
    again = [
        "--reinstall" if distribution.family is Family.RPM else "--install",
        f"/var/tmp/{NEW}.{distribution.family}",
    ]
    if distribution.family is Family.RPM:
        Rpm(host).run(*again)
    else:
        Deb(host).dpkg(*again)
    assert host.file(RENAMED).text == OURS[NEW]
    host.run(f"rm -f {FORMER}.rpmsave {FORMER}.dpkg-old {RENAMED}.rpmsave")


def test_a_removal_leaves_nothing_but_what_rpm_keeps(host: Host, before: tree.Tree, distribution: Distribution) -> None:
    remove(host, distribution.family)
    left = tree.compare(before, host.tree())
    assert (left.changed, left.missing) == ((), ())
    assert [path for path in left.left if path != FOLDER and not path.startswith(f"{RENAMED}.rpm")] == []
    if distribution.family is Family.DEB:
        assert left.left == ()
