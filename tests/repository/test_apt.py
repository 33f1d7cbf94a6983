"""Story: real apt installs and upgrades from the repository, and refuses what is not the archive's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repository.client import Client, command_of
from tests.repository.site import NEW_VERSION, OLD_VERSION, Site, copied_halfway
from tests.support.packages import NAME

pytestmark = [pytest.mark.family("deb"), pytest.mark.sequence]
KEYRING = f"{NAME}-archive-keyring"
KEY_PATH = f"/usr/share/keyrings/{KEYRING}.asc"
Changed = Callable[[str, Callable[[Path], None]], Path]
UPGRADES = f'Unattended-Upgrade::Origins-Pattern {{ "origin={NAME},suite=stable"; }};\n'


def installed(client: Client) -> str:
    """Return what dpkg and apt know: any of it would change with a half-taken update."""
    lists = client.host.output("cd /var/lib/apt/lists && sha256sum 127.0.0.1*")
    return f"{client.version()}\n{client.version(KEYRING)}\n{lists}"


def release(tree: Path) -> Path:
    return tree / "apt/dists/stable/Release"


def sign_again(site: Site, tree: Path, key: str) -> None:
    """Let another key, or another text, be what signs the stable channel."""
    text = release(tree).read_text()
    release(tree).with_name("InRelease").write_text(site.keys.sign([key], text, "--clearsign"))
    release(tree).with_name("Release.gpg").write_text(site.keys.sign([key], text, "--detach-sign"))


def test_the_page_s_own_command_installs_the_package(client: Client, site: Site) -> None:
    client.serve(site.trees["old"])
    command = command_of(site.trees["old"] / "index.html", "apt-add").replace("apt-get ", "apt-get --yes ")
    said = client.host.run(f"set -e\n{command}", seconds=180, environment={"DEBIAN_FRONTEND": "noninteractive"})
    assert client.version() == OLD_VERSION
    assert not [line for line in said.output.splitlines() if line.startswith(("W:", "E:"))]
    client.host.wait_until(f"systemctl --quiet is-active {NAME}.target", 30)


def test_the_keyring_package_takes_the_copied_files_over_without_a_question(client: Client, site: Site) -> None:
    client.apt("install", KEYRING)
    owner = client.host.output(["dpkg-query", "--search", KEY_PATH, f"/etc/apt/sources.list.d/{NAME}.sources"])
    assert owner.count(KEYRING + ":") == 2
    assert client.host.run(["dpkg", "--verify", KEYRING]).output == ""
    assert client.apt("update").returncode == 0


def test_a_tampered_index_is_refused(client: Client, site: Site, changed: Changed) -> None:
    def tamper(tree: Path) -> None:
        for path in (tree / "apt/dists/stable").rglob("*"):
            if path.is_file() and "binary-" in str(path):
                path.write_bytes(path.read_bytes()[:-9] + b"tampered\n")

    before = installed(client)
    client.serve(changed("new", tamper))
    refused = client.apt("update", "-o", "Acquire::Retries=0", check=False)
    assert refused.returncode != 0
    assert re.search(r"Hash Sum mismatch|hash mismatch|Clearsigned|unexpected size", refused.output)
    assert installed(client) == before


def test_a_tampered_release_file_is_refused(client: Client, site: Site, changed: Changed) -> None:
    def tamper(tree: Path) -> None:
        path = release(tree).with_name("InRelease")
        path.write_text(path.read_text().replace("Label: ", "Label: x"))

    assert_refused(client, changed("new", tamper), "BADSIG|bad signature|Message has been manipulated|invalid")


def assert_refused(client: Client, tree: Path, reason: str) -> None:
    """Demand that `apt-get update` refuses a tree for this reason and changes nothing."""
    before = installed(client)
    client.serve(tree)
    # What cannot be verified is passed over with a warning where older lists are there; strict, it is an error.
    refused = client.apt("update", "-o", "APT::Update::Error-Mode=any", check=False)
    assert refused.returncode != 0, refused.output
    assert re.search(reason, refused.output, re.IGNORECASE), refused.output
    assert installed(client) == before
    policy = client.host.output(["apt-cache", "policy", NAME])
    assert f"Candidate: {OLD_VERSION}" in policy


def test_a_foreign_key_is_refused(client: Client, site: Site, changed: Changed) -> None:
    tree = changed("new", lambda tree: sign_again(site, tree, "wrong"))
    assert_refused(client, tree, "NO_PUBKEY|Missing key")


def test_an_expired_key_is_refused_even_where_it_is_trusted(client: Client, site: Site, changed: Changed) -> None:
    own = client.host.file(KEY_PATH).text
    client.host.put(KEY_PATH, site.keys.public("expired"))
    try:
        tree = changed("new", lambda tree: sign_again(site, tree, "expired"))
        assert_refused(client, tree, "EXPKEYSIG|expired|not live")
    finally:
        client.host.put(KEY_PATH, own)


def test_an_index_past_its_day_is_refused(client: Client, site: Site, changed: Changed) -> None:
    def age(tree: Path) -> None:
        text = release(tree).read_text()
        old = re.sub(r"^Date: .*$", "Date: Sat, 06 Jun 2020 00:00:00 UTC\nValid-Until: Sat, 13 Jun 2020 00:00:00 UTC",
                     text, flags=re.MULTILINE)  # fmt: skip
        release(tree).write_text(old)
        sign_again(site, tree, "old")

    assert_refused(client, changed("new", age), "is expired|no longer valid|older")


def test_a_tampered_package_is_refused(client: Client, site: Site, changed: Changed) -> None:
    def tamper(tree: Path) -> None:
        (path,) = tree.glob(f"apt/pool/stable/c/{NAME}/{NAME}_{NEW_VERSION}_all.deb")
        data = bytearray(path.read_bytes())
        data[-100] ^= 1
        path.write_bytes(data)

    client.serve(changed("new", tamper))
    client.apt("update")
    refused = client.apt("install", "-o", "Acquire::Retries=0", NAME, check=False)
    assert refused.returncode != 0
    assert "Hash Sum mismatch" in refused.output
    assert client.version() == OLD_VERSION
    assert client.host.run(["dpkg", "--audit"]).output == ""


def test_a_client_in_the_middle_of_an_update_still_gets_what_it_was_promised(
    client: Client, site: Site, tmp_path: Path
) -> None:
    """The old signed file beside the new indices: each that it names is still there by its hash."""
    client.serve(copied_halfway(site, tmp_path))
    client.host.run("rm -rf /var/lib/apt/lists/*")
    said = client.apt("update", "-o", "APT::Update::Error-Mode=any")
    assert "127.0.0.1" in said.output
    assert f"Candidate: {OLD_VERSION}" in client.host.output(["apt-cache", "policy", NAME])


def test_unattended_upgrades_bring_the_new_version(client: Client, site: Site) -> None:
    client.serve(site.trees["new"])
    client.host.put("/etc/apt/apt.conf.d/60consul-docker-host", UPGRADES)
    client.apt("update")
    said = client.host.run(["unattended-upgrade", "--verbose"], seconds=180)
    assert client.version() == NEW_VERSION, said.output
    assert client.version(KEYRING) == NEW_VERSION
    client.host.wait_until(f"systemctl --quiet is-active {NAME}.target", 30)


@pytest.mark.parametrize("known", ["old", "new"])
def test_a_change_of_keys_reaches_a_client_that_knows_only_one_of_them(client: Client, site: Site, known: str) -> None:
    client.host.run("rm -rf /var/lib/apt/lists/*")
    client.host.put(KEY_PATH, site.keys.public(known))
    client.serve(site.trees["rotated"])
    client.apt("update", "-o", "APT::Update::Error-Mode=any")
    client.apt("install", "--reinstall", KEYRING)
    assert client.version(KEYRING) == f"{NEW_VERSION}+rotated"
    assert client.host.file(KEY_PATH).text == site.keys.public("old", "new")


def test_after_the_change_the_new_key_alone_is_enough(client: Client, site: Site, changed: Changed) -> None:
    client.serve(changed("rotated", lambda tree: sign_again(site, tree, "new")))
    client.apt("update", "-o", "APT::Update::Error-Mode=any")
