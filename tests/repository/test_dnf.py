"""Story: real dnf installs and upgrades with both checks on, and refuses what is not the archive's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from consul_docker_host.core.run import find_program, run
from consul_docker_host.repository.signing import short_home
from tests.repository.client import Client, command_of
from tests.repository.site import NEW_VERSION, OLD_VERSION, Site, copied_halfway
from tests.support.packages import NAME

pytestmark = [pytest.mark.family("rpm"), pytest.mark.sequence]
KEYRING = f"{NAME}-archive-keyring"
KEY_PATH = f"/etc/pki/rpm-gpg/RPM-GPG-KEY-{NAME}"
Changed = Callable[[str, Callable[[Path], None]], Path]


def repodata(tree: Path) -> Path:
    return tree / "rpm/stable/repodata"


def assert_refused(client: Client, tree: Path, reason: str) -> None:
    """Demand that dnf refuses a tree's metadata for this reason and changes nothing."""
    before = client.host.output("rpm -qa | sort")
    client.serve(tree)
    refused = client.dnf("--refresh", "upgrade", NAME, "--setopt=skip_if_unavailable=False", check=False)
    assert refused.returncode != 0, refused.output
    assert re.search(reason, refused.output, re.IGNORECASE), refused.output
    assert client.host.output("rpm -qa | sort") == before


def forget(client: Client) -> None:
    """Let dnf and rpm know no key of the archive's."""
    client.host.run("rm -rf /var/cache/dnf/consul-docker-host*; rpm -e --allmatches gpg-pubkey || true")


def test_the_page_s_own_command_installs_the_package(client: Client, site: Site) -> None:
    client.serve(site.trees["old"])
    client.host.run("mkdir -p /etc/pki/rpm-gpg")  # part of every rpm distribution
    command = command_of(site.trees["old"] / "index.html", "dnf-add").replace("dnf install", "dnf --assumeyes install")
    client.host.run(f"set -e\n{command}", seconds=180)
    assert client.rpm_version() == OLD_VERSION
    repository = client.host.file(f"/etc/yum.repos.d/{NAME}.repo").text
    assert "\ngpgcheck=1\nrepo_gpgcheck=1\n" in repository


def test_the_installed_rpm_was_signed(client: Client, site: Site) -> None:
    said = client.host.output(["rpm", "--query", "--queryformat", "%{SIGPGP:pgpsig}%{RSAHEADER:pgpsig}", NAME])
    assert site.keys.fingerprints["old"][-16:].lower() in said
    assert "RSA/SHA256" in said


def test_the_keyring_package_takes_the_copied_files_over(client: Client) -> None:
    client.dnf("install", KEYRING)
    assert client.host.output(["rpm", "--query", "--file", KEY_PATH]).startswith(KEYRING)
    assert client.host.run(["rpm", "--verify", KEYRING], check=False).output == ""
    assert client.host.output("ls -A /etc/yum.repos.d /etc/pki/rpm-gpg | grep -c -e rpmnew -e rpmsave || true") == "0"


def test_tampered_metadata_are_refused(client: Client, changed: Changed) -> None:
    def tamper(tree: Path) -> None:
        path = repodata(tree) / "repomd.xml"
        path.write_text(path.read_text().replace("<revision>", "<revision>1"))

    assert_refused(client, changed("new", tamper), "Bad GPG signature")


def test_a_tampered_list_of_packages_is_refused(client: Client, changed: Changed) -> None:
    def tamper(tree: Path) -> None:
        # Those of the version before are there too.
        for path in repodata(tree).glob("*-primary.xml.gz"):
            path.write_bytes(path.read_bytes()[:-8] + bytes(8))

    assert_refused(client, changed("new", tamper), "checksum doesn't match")


def test_a_foreign_key_is_refused(client: Client, site: Site, changed: Changed) -> None:
    def sign(tree: Path) -> None:
        text = (repodata(tree) / "repomd.xml").read_text()
        (repodata(tree) / "repomd.xml.asc").write_text(site.keys.sign(["wrong"], text, "--detach-sign"))

    assert_refused(client, changed("new", sign), "Bad GPG signature")


def test_an_expired_key_is_refused_even_where_it_is_trusted(client: Client, site: Site, changed: Changed) -> None:
    own = client.host.file(KEY_PATH).text

    def sign(tree: Path) -> None:
        text = (repodata(tree) / "repomd.xml").read_text()
        (repodata(tree) / "repomd.xml.asc").write_text(site.keys.sign(["expired"], text, "--detach-sign"))

    client.host.put(KEY_PATH, site.keys.public("expired"))
    client.host.run("rm -rf /var/cache/dnf/consul-docker-host*")
    try:
        assert_refused(client, changed("new", sign), "Bad GPG signature")
    finally:
        client.host.put(KEY_PATH, own)


def test_a_tampered_package_is_refused(client: Client, changed: Changed) -> None:
    def tamper(tree: Path) -> None:
        (path,) = (tree / "rpm/stable/packages").glob(f"{NAME}-{NEW_VERSION}-*.rpm")
        data = bytearray(path.read_bytes())
        data[-100] ^= 1
        path.write_bytes(data)

    assert_refused(client, changed("new", tamper), "mirrors were already tried")


def test_an_unsigned_package_is_refused(client: Client, site: Site, changed: Changed) -> None:
    """What only the metadata vouch for is not enough."""

    def strip(tree: Path) -> None:
        packages, metadata = tree / "rpm/stable/packages", tree / "rpm/stable"
        (path,) = packages.glob(f"{NAME}-{NEW_VERSION}-*.rpm")
        run(["rpmsign", "--delsign", str(path)])
        site.write_metadata(metadata)

    assert_refused(client, changed("new", strip), "is not signed")


def test_a_client_in_the_middle_of_an_update_still_gets_what_it_was_promised(
    client: Client, site: Site, tmp_path: Path
) -> None:
    """The old signed file beside the new lists: each that it names is still there by its checksum."""
    client.serve(copied_halfway(site, tmp_path))
    client.host.run("rm -rf /var/cache/dnf/consul-docker-host*")
    client.dnf("--refresh", "makecache", "--setopt=skip_if_unavailable=False")
    asked = ["dnf", "--quiet", "repoquery", "--queryformat", "%{version}", NAME]
    assert client.host.output(asked) == OLD_VERSION


def test_an_upgrade_brings_the_new_version(client: Client, site: Site) -> None:
    client.serve(site.trees["new"])
    client.dnf("--refresh", "upgrade")
    assert client.rpm_version() == NEW_VERSION
    assert client.rpm_version(KEYRING) == NEW_VERSION


@pytest.mark.parametrize("known", ["old", "new"])
def test_a_change_of_keys_reaches_a_client_that_knows_only_one_of_them(client: Client, site: Site, known: str) -> None:
    forget(client)
    client.host.put(KEY_PATH, site.keys.public(known))
    client.serve(site.trees["rotated"])
    client.dnf("--refresh", "makecache", "--setopt=skip_if_unavailable=False")
    assert "+rotated" in client.host.output(["dnf", "--quiet", "repoquery", KEYRING])


def test_the_change_of_keys_comes_with_the_keyring_package(client: Client, site: Site) -> None:
    """An rpm holds one signature, and that is the old key's until its secret part is gone."""
    forget(client)
    client.host.put(KEY_PATH, site.keys.public("old"))
    client.dnf("--refresh", "upgrade", KEYRING)
    assert client.host.file(KEY_PATH).text == site.keys.public("old", "new")


def test_who_comes_during_the_change_gets_both_keys(client: Client, site: Site) -> None:
    forget(client)
    client.dnf("remove", NAME, KEYRING)
    client.host.run(f"rm -f {KEY_PATH}* /etc/yum.repos.d/{NAME}.repo*")
    client.serve(site.trees["rotated"])
    command = command_of(site.trees["rotated"] / "index.html", "dnf-add")
    client.host.run("set -e\n" + command.replace("dnf install", "dnf --assumeyes install"), seconds=180)
    client.dnf("install", KEYRING)
    assert client.rpm_version() == NEW_VERSION


def test_after_the_change_the_new_key_alone_is_enough(client: Client, site: Site, changed: Changed) -> None:
    def sign(tree: Path) -> None:
        packages = sorted((tree / "rpm/stable/packages").glob("*.rpm"))
        defines = [f"__gpg {find_program('gpg')}", f"_gpg_name {site.keys.fingerprints['new']}"]
        options = [word for define in defines for word in ("--define", define)]
        with short_home(site.keys.homes["new"]) as environment:
            run(["rpmsign", "--resign", *options, *map(str, packages)], env=environment)
        site.write_metadata(tree / "rpm/stable")
        text = (repodata(tree) / "repomd.xml").read_text()
        (repodata(tree) / "repomd.xml.asc").write_text(site.keys.sign(["new"], text, "--detach-sign"))

    forget(client)
    client.serve(changed("rotated", sign))
    client.host.put(KEY_PATH, site.keys.public("new"))
    client.dnf("remove", NAME)
    client.dnf("--refresh", "install", NAME, "--setopt=skip_if_unavailable=False")
    assert client.rpm_version() == NEW_VERSION
