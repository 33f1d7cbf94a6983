"""An rpm read by createrepo_c's library, and the bytes of it that a signature leaves alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import file_digest
from consul_docker_host.package.archive_sources import KEY_NAME
from consul_docker_host.repository.rpms import read_rpm
from consul_docker_host.repository.signing import signer


def test_an_rpm_is_described_for_all_three_lists(keyring_rpms: tuple[Path, ...]) -> None:
    item = read_rpm(keyring_rpms[0], "packages/a.rpm")
    assert (item.name, item.version, item.architecture) == ("consul-docker-host-archive-keyring", "1.0-1", "noarch")
    assert item.sha256 == file_digest(keyring_rpms[0])
    primary, filelists, other = item.texts
    assert '<location href="packages/a.rpm"/>' in primary
    assert "/etc/yum.repos.d/consul-docker-host.repo" in filelists
    assert "<changelog " in other


def test_a_signature_changes_the_file_and_not_its_content(
    keyring_rpms: tuple[Path, ...], archive_key: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(keyring_rpms[0], tmp_path))
    before = read_rpm(path, "a")
    with signer((archive_key / KEY_NAME).read_text(), "key", str(archive_key)) as signing:
        signing.sign_rpms([path])
    after = read_rpm(path, "a")
    assert after.sha256 != before.sha256
    assert after.unsigned == before.unsigned
    listed = run(["rpm", "-qp", "--nosignature", "--queryformat", "%{RSAHEADER:pgpsig}", str(path)]).stdout
    assert "RSA/SHA256" in listed
    assert read_rpm(keyring_rpms[1], "a").unsigned != before.unsigned


@pytest.mark.parametrize("data", [b"", b"no rpm", b"\xed\xab\xee\xdb" + bytes(200)])
def test_what_is_no_rpm_is_told_with_its_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.rpm").write_bytes(data)
    with pytest.raises(BuildError, match=r"/a\.rpm: is not an rpm"):
        read_rpm(tmp_path / "a.rpm", "a.rpm")


def test_a_damaged_rpm_is_told_with_its_name(tmp_path: Path, keyring_rpms: tuple[Path, ...]) -> None:
    (tmp_path / "a.rpm").write_bytes(keyring_rpms[0].read_bytes()[:300])
    with pytest.raises(BuildError, match=r"/a\.rpm: is not an rpm"):
        read_rpm(tmp_path / "a.rpm", "a.rpm")
