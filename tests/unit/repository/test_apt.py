"""apt's indices, held against what apt-ftparchive makes of the same packages, and against their own sums."""

from __future__ import annotations

import gzip
import hashlib
import lzma
from datetime import UTC, datetime
from pathlib import Path

import pytest
from debian.deb822 import Deb822, Packages, Release

from consul_docker_host.core.run import run
from consul_docker_host.package.archive_sources import KEY_NAME
from consul_docker_host.prove.bench_repository import write_deb
from consul_docker_host.repository import apt
from consul_docker_host.repository.catalogue import Item
from consul_docker_host.repository.debs import read_deb
from consul_docker_host.repository.signing import GPG, signer

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    folder = tmp_path / "pool" / "stable"
    folder.mkdir(parents=True)
    for version in ("1.0", "1.1"):
        write_deb(folder, version)
    return tmp_path


def items(pool: Path) -> list[Item]:
    return [read_deb(path, str(path.relative_to(pool))) for path in sorted(pool.rglob("*.deb"))]


def test_the_index_says_what_apt_ftparchive_says(pool: Path) -> None:
    ours = {
        stanza["Filename"]: dict(stanza)
        for stanza in Packages.iter_paragraphs(apt.packages_text(items(pool), "amd64"), use_apt_pkg=False)
    }
    said = run(["apt-ftparchive", "-o", "APT::FTPArchive::MD5=false", "-o", "APT::FTPArchive::SHA1=false",
                "-o", "APT::FTPArchive::SHA512=false", "packages", "pool"], cwd=pool).stdout  # fmt: skip
    theirs = {stanza["Filename"]: dict(stanza) for stanza in Packages.iter_paragraphs(said, use_apt_pkg=False)}
    assert len(ours) == 2
    assert ours == theirs


def test_packages_for_one_architecture_are_in_its_index_alone(pool: Path) -> None:
    all_of_them = items(pool)
    own = read_deb(next(pool.rglob("*.deb")), "x.deb")
    amd64 = Item(**{name: getattr(own, name) for name in own.__slots__} | {"architecture": "amd64"})
    found = {name: apt.packages_text([*all_of_them, amd64], name).count("Package: ") for name in apt.ARCHITECTURES}
    assert found == {"all": 2, "amd64": 3, "arm64": 2}


def test_every_form_of_an_index_is_the_same_text(pool: Path, tmp_path: Path) -> None:
    files = apt.index_files(items(pool), tmp_path / "none")
    assert len(files) == 9
    for name in apt.ARCHITECTURES:
        plain = files[f"main/binary-{name}/Packages"]
        assert gzip.decompress(files[f"main/binary-{name}/Packages.gz"]) == plain
        assert lzma.decompress(files[f"main/binary-{name}/Packages.xz"]) == plain


def test_what_was_packed_before_is_taken_over_and_what_changed_is_not(pool: Path, tmp_path: Path) -> None:
    former = tmp_path / "former"
    folder = former / "main" / "binary-all"
    folder.mkdir(parents=True)
    (folder / "Packages").write_text(apt.packages_text(items(pool), "all"))
    (folder / "Packages.gz").write_bytes(b"packed before")
    (folder / "Packages.xz").write_bytes(b"packed before")
    assert apt.index_files(items(pool), former)["main/binary-all/Packages.xz"] == b"packed before"
    write_deb(pool / "pool" / "stable", "1.2")
    assert apt.index_files(items(pool), former)["main/binary-all/Packages.xz"] != b"packed before"


def test_the_release_file_vouches_for_every_index(pool: Path, tmp_path: Path) -> None:
    files = apt.index_files(items(pool), tmp_path / "none")
    release = Release(apt.release_text("testing", files, now=NOW, valid_days=0))
    assert (release["Suite"], release["Origin"], release["Acquire-By-Hash"]) == ("testing", "consul-docker-host", "yes")
    assert release["Architectures"].split() == ["all", "amd64", "arm64"]
    assert release["Date"] == "Thu, 26 Nov 2026 12:00:00 UTC"
    assert "Valid-Until" not in release
    listed = {entry["name"]: (entry["sha256"], int(entry["size"])) for entry in release["SHA256"]}
    assert listed == {path: (hashlib.sha256(data).hexdigest(), len(data)) for path, data in files.items()}


def test_an_index_may_have_an_end() -> None:
    release = Deb822(apt.release_text("stable", {}, now=NOW, valid_days=14))
    assert release["Valid-Until"] == "Thu, 10 Dec 2026 12:00:00 UTC"


def test_a_channel_lies_there_by_name_and_by_hash_signed_in_both_forms(
    pool: Path, tmp_path: Path, archive_key: Path
) -> None:
    files = apt.index_files(items(pool), tmp_path / "none")
    release = apt.release_text("stable", files, now=NOW, valid_days=0)
    folder = tmp_path / "dists" / "stable"
    with signer((archive_key / KEY_NAME).read_text(), "x", str(archive_key)) as signing:
        apt.write_channel(folder, files, release, signing)
        environment = {"GNUPGHOME": str(archive_key)}
        inside = run([*GPG, "--output", "-", "--decrypt", str(folder / "InRelease")], env=environment).stdout
        run([*GPG, "--verify", str(folder / "Release.gpg"), str(folder / "Release")], env=environment)
    assert inside == release == (folder / "Release").read_text()
    for path, content in files.items():
        by_hash = (folder / path).parent / "by-hash/SHA256" / hashlib.sha256(content).hexdigest()
        assert by_hash.samefile(folder / path)
        assert by_hash.read_bytes() == content
