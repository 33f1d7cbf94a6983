"""Keys of the archive: made where nobody commits them, refused where hosts would refuse them, used without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.archive_sources import KEY_NAME
from consul_docker_host.repository import signing
from tests.unit.kit import ARCHIVE_KEY

PUBLIC = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


def other_key(home: Path, kind: str = "rsa3072", *options: str, life: str = "0") -> str:
    """Make a key by gpg itself and return its public part."""
    home.mkdir(mode=0o700)
    environment = {"GNUPGHOME": str(home)}
    generate = [
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "",
        "--quick-generate-key",
        "other",
        kind,
        "sign,cert",
        life,
    ]
    run([*signing.GPG, *options, *generate], env=environment)
    signing.end_agent(environment)
    return run([*signing.GPG, "--armor", "--export"], env=environment).stdout


@pytest.fixture(scope="module")
def two_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a key, and a second one that was added to it."""
    folder = tmp_path_factory.mktemp("two") / "deep" / "keys"
    first = signing.make_key(Workspace(), folder, add=False)
    both = signing.make_key(Workspace(), folder, add=True)
    assert both[0] == first[0]
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of another key, its public part in KEY_NAME."""
    home = tmp_path_factory.mktemp("other") / "home"
    text = other_key(home)
    (home / KEY_NAME).write_text(text)
    return home


def is_agent_there(home: Path) -> bool:
    asked = ["gpg-connect-agent", "--no-autostart", "getinfo pid", "/bye"]
    return "OK" in run(asked, env={"GNUPGHOME": str(home)}, check=False).stdout


def test_a_key_is_rsa_4096_with_an_end_and_for_its_owner_alone(two_keys: Path) -> None:
    keys = signing.read_keys((two_keys / KEY_NAME).read_text())
    assert [(key.algorithm, key.bits) for key in keys] == [(signing.RSA, 4096)] * 2
    assert all(len(key.fingerprint) == 40 and not key.has_ended for key in keys)
    assert all(key.end.startswith("20") for key in keys)
    assert two_keys.stat().st_mode & 0o777 == 0o700
    assert (two_keys / KEY_NAME).read_text().count(PUBLIC) == 1
    assert not is_agent_there(two_keys)


def test_a_folder_may_have_a_path_that_no_socket_may_have(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30) / "key"
    signing.make_key(Workspace(), folder, add=False)
    with signing.signer((folder / KEY_NAME).read_text(), "x", str(folder)) as signer:
        assert signer.signature("x").startswith("-----BEGIN PGP SIGNATURE")


def test_who_ends_first_leaves_the_agent_to_who_still_signs(archive_key: Path) -> None:
    """Two publications with one key: the first to end would take the other's agent away in the middle of signing."""
    armour = (archive_key / KEY_NAME).read_text()
    with signing.signer(armour, "x", str(archive_key)) as one:
        with signing.signer(armour, "x", str(archive_key)) as other:
            other.signature("x")
        assert is_agent_there(archive_key)
        one.signature("x")
    assert not is_agent_there(archive_key)


def test_the_key_signs_itself_by_sha256(two_keys: Path) -> None:
    listed = run(["gpg", "--batch", "--list-packets", str(two_keys / KEY_NAME)], env={"GNUPGHOME": str(two_keys)})
    assert "digest algo 8" in listed.stdout
    assert "digest algo 2," not in listed.stdout


def test_no_key_is_made_in_the_checkout(work: Workspace, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(work.root)
    for folder in (work.root / "keys", work.root, tmp_path / "link" / "keys"):
        with pytest.raises(
            BuildError, match="is in the checkout\n  keep the secret key outside, so that nobody commits it"
        ):
            signing.make_key(work, folder, add=False)
    assert not (work.root / "keys").exists()


def test_a_folder_that_holds_something_is_left_alone(archive_key: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="already contains a key\n  --add creates a second key"):
        signing.make_key(Workspace(), archive_key, add=False)
    with pytest.raises(BuildError, match="contains no key to add one to"):
        signing.make_key(Workspace(), tmp_path / "new", add=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    with pytest.raises(BuildError, match="is not empty"):
        signing.make_key(Workspace(), tmp_path / "full", add=False)
    with pytest.raises(BuildError, match="is a file"):
        signing.make_key(Workspace(), tmp_path / "full" / "x", add=False)
    assert (tmp_path / "full" / "x").read_text() == "mine"


def test_both_keys_sign_in_the_archive_s_order_and_no_agent_stays(two_keys: Path, tmp_path: Path) -> None:
    armour = (two_keys / KEY_NAME).read_text()
    with signing.signer(armour, "source", str(two_keys)) as signer:
        text, apart = signer.clearsigned("hello\n"), signer.signature("hello\n")
    assert not is_agent_there(two_keys)
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "apart").write_text(apart)
    (tmp_path / "clear").write_text(text)
    environment = {"GNUPGHOME": str(two_keys)}
    for files in ([str(tmp_path / "clear")], [str(tmp_path / "apart"), str(tmp_path / "text")]):
        said = run([*signing.GPG, "--status-fd", "1", "--verify", *files], env=environment).stdout
        valid = [line.split() for line in said.splitlines() if " VALIDSIG " in line]
        assert [words[2] for words in valid] == [key.fingerprint for key in signer.keys]
        assert {words[9] for words in valid} == {"8"}, "8 is SHA-256"


def test_a_secret_key_in_a_file_signs_as_well(two_keys: Path, tmp_path: Path) -> None:
    environment = {"GNUPGHOME": str(two_keys)}
    keys = signing.read_keys((two_keys / KEY_NAME).read_text())
    secret = run([*signing.GPG, "--armor", "--export-secret-keys", keys[1].fingerprint], env=environment).stdout
    signing.end_agent(environment)
    (tmp_path / "secret.asc").write_text(secret)
    with signing.signer((two_keys / KEY_NAME).read_text(), "x", str(tmp_path / "secret.asc")) as signer:
        assert signer.keys == (keys[1],), "what has no secret part here is served and does not sign"
        assert signer.signature("x").startswith("-----BEGIN PGP SIGNATURE")


def test_the_user_s_own_gpg_is_asked_where_no_key_is_given(two_keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(two_keys))
    with signing.signer((two_keys / KEY_NAME).read_text(), "x", "") as signer:
        assert len(signer.keys) == 2
    signing.end_agent({"GNUPGHOME": str(two_keys)})


def test_a_key_without_its_secret_part_is_told(archive_key: Path, other: Path) -> None:
    armour = (other / KEY_NAME).read_text()
    (key,) = signing.read_keys(armour)
    with (
        pytest.raises(
            BuildError,
            match=rf"--key .*: has no secret key for {key.fingerprint}, the public key in a\.asc\n  give the",
        ),
        signing.signer(armour, "a.asc", str(archive_key)),
    ):
        pass


def test_an_expired_key_is_told_with_its_day_and_the_remedy(tmp_path: Path) -> None:
    armour = other_key(tmp_path / "home", "rsa3072", "--faked-system-time", "20200101T000000", life="1y")
    with (
        pytest.raises(
            BuildError,
            match=r"(?s)^repository\.key_file: a\.asc: expired or revoked: [0-9A-F]{40} \(2020-12-31\).*set-expire",
        ),
        signing.signer(armour, "a.asc", str(tmp_path / "home")),
    ):
        pass


@pytest.mark.parametrize("kind", ["rsa2048", "ed25519"])
def test_a_key_that_hosts_refuse_is_refused(tmp_path: Path, kind: str) -> None:
    armour = other_key(tmp_path / "home", kind)
    with pytest.raises(BuildError, match="is not an RSA key of 3072 bits or more"):
        signing.usable(signing.read_keys(armour), "a.asc")


@pytest.mark.parametrize("text", [ARCHIVE_KEY, "", "no key"])
def test_what_is_no_key_is_told(text: str) -> None:
    with (
        pytest.raises(BuildError, match=r"^repository\.key_file: a\.asc: gpg finds no key in it"),
        signing.signer(text, "a.asc", ""),
    ):
        pass


def test_a_key_that_is_not_there_is_told(archive_key: Path) -> None:
    with (
        pytest.raises(BuildError, match="--key /nowhere: no such file or directory"),
        signing.signer((archive_key / KEY_NAME).read_text(), "a.asc", "/nowhere"),
    ):
        pass


def test_without_gpg_or_rpmsign_the_remedy_is_told(
    archive_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("consul_docker_host.core.run.SYSTEM_PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"^gpg is not installed.*\n  apt-get install gpg"):
        signing.make_key(Workspace(), tmp_path / "keys", add=False)
    with pytest.raises(BuildError, match=r"^rpmsign is not installed.*\n  apt-get install rpm"):
        signing.Signer(keys=(), environment={}).sign_rpms([tmp_path / "a.rpm"])
    assert list(tmp_path.iterdir()) == []


def test_a_signature_is_believed_only_by_the_key_that_is_given(two_keys: Path, other: Path, tmp_path: Path) -> None:
    with signing.signer((two_keys / KEY_NAME).read_text(), "x", str(two_keys)) as signer:
        signature = signer.signature("text\n")
    (tmp_path / "file").write_text("text\n")
    (tmp_path / "file.sig").write_text(signature)
    signing.verify_signature(tmp_path / "file", tmp_path / "file.sig", two_keys / KEY_NAME)
    with pytest.raises(BuildError, match="is not signed by a key in"):
        signing.verify_signature(tmp_path / "file", tmp_path / "file.sig", other / KEY_NAME)
    (tmp_path / "file").write_text("other\n")
    with pytest.raises(BuildError, match="is not signed by a key in"):
        signing.verify_signature(tmp_path / "file", tmp_path / "file.sig", two_keys / KEY_NAME)
