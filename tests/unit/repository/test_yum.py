"""dnf's metadata: every file that repomd.xml names is there with its sum, and holds every package."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from consul_docker_host.core.run import run
from consul_docker_host.package.archive_sources import KEY_NAME
from consul_docker_host.repository import yum
from consul_docker_host.repository.rpms import read_rpm
from consul_docker_host.repository.signing import GPG, signer

REPO = "{http://linux.duke.edu/metadata/repo}"
COMMON = "{http://linux.duke.edu/metadata/common}"


@pytest.mark.parametrize("count", [0, 2])
def test_metadata_are_whole_and_signed(
    tmp_path: Path, archive_key: Path, keyring_rpms: tuple[Path, ...], count: int
) -> None:
    items = [read_rpm(path, f"packages/{number}.rpm") for number, path in enumerate(keyring_rpms[:count])]
    with signer((archive_key / KEY_NAME).read_text(), "x", str(archive_key)) as signing:
        yum.write_metadata(tmp_path, items, signing)
        repodata = tmp_path / "repodata"
        verify = [*GPG, "--verify", str(repodata / "repomd.xml.asc"), str(repodata / "repomd.xml")]
        run(verify, env={"GNUPGHOME": str(archive_key)})
    found = {}
    for data in ElementTree.parse(repodata / "repomd.xml").getroot().iter(f"{REPO}data"):  # noqa: S314 - our own
        location, checksum = data.find(f"{REPO}location"), data.find(f"{REPO}checksum")
        assert location is not None
        assert checksum is not None
        path = tmp_path / location.attrib["href"]
        assert checksum.attrib["type"] == "sha256"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == checksum.text
        assert path.name.startswith(str(checksum.text)), "its name is its own: an old one stays beside it"
        assert path.stat().st_mode & 0o777 == 0o644
        found[data.attrib["type"]] = path
    assert set(found) == {"primary", "filelists", "other"}
    primary = ElementTree.fromstring(gzip.decompress(found["primary"].read_bytes()))  # noqa: S314 - our own
    assert primary.attrib["packages"] == str(count)
    places = [entry.attrib["href"] for entry in primary.iter(f"{COMMON}location")]
    assert places == [f"packages/{number}.rpm" for number in range(count)]
