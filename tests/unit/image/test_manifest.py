"""Manifests: what is in a root, by what two of them differ, and the same as SPDX."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.image.manifest import Manifest, differences, digest_of, lines_of, read_manifest, spdx

ONE = Manifest(
    inputs={"suite": "bookworm"},
    packages={"jq:amd64": "1.6-2.1 amd64", "libc++1:amd64": "1:14~rc1+b1 amd64"},
    files={"etc": "d 0755 0:0", "etc/hosts": "f 0644 0:0 aa"},
)


def changed(**parts: dict[str, str]) -> Manifest:
    return Manifest(**{"inputs": ONE.inputs, "packages": ONE.packages, "files": ONE.files, **parts})


def test_every_kind_of_file_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o750)
    (tmp_path / "folder" / "file").write_text("text")
    (tmp_path / "folder" / "file").chmod(0o4755)
    (tmp_path / "link").symlink_to("folder/file")
    os.mkfifo(tmp_path / "pipe", 0o600)
    lines = dict(lines_of(tmp_path))
    owner = f"{os.getuid()}:{os.getgid()}"
    assert lines["folder"] == f"d 0750 {owner}"
    assert lines["folder/file"].startswith(f"f 4755 {owner} 982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a")
    assert lines["link"].endswith(" folder/file")
    assert lines["pipe"] == f"p 0600 {owner}"


@pytest.mark.parametrize(
    "parts",
    [
        (),
        ("data",),
        ("hole",),
        ("hole", "data"),
        ("data", "hole", "data", "hole"),
    ],
    ids=",".join,
)
def test_a_digest_is_that_of_all_bytes_also_of_those_in_holes(tmp_path: Path, parts: tuple[str, ...]) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        for part in parts:
            if part == "hole":
                file.truncate(file.tell() + (3 << 20) + 5)
                file.seek(0, os.SEEK_END)
            else:
                file.write(os.urandom((1 << 20) + 4096 + 7))
    assert digest_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_came_went_and_changed_is_told_and_names_another_content() -> None:
    other = changed(packages={"jq:amd64": "1.7-1 amd64"}, files={**ONE.files, "new": "l 0777 0:0 etc"})
    assert differences(ONE, other) == (
        "! package jq:amd64: 1.6-2.1 amd64 -> 1.7-1 amd64",
        "- package libc++1:amd64: 1:14~rc1+b1 amd64",
        "+ file new: l 0777 0:0 etc",
    )
    assert other.digest != ONE.digest
    assert differences(ONE, ONE) == ()


def test_how_it_came_to_be_does_not_change_what_it_is() -> None:
    assert changed(inputs={"suite": "other"}).digest == ONE.digest


def test_a_manifest_is_read_as_it_was_written_and_nothing_else_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.manifest.json"
    path.write_text(ONE.text())
    assert read_manifest(path) == ONE
    path.write_text("[]")
    with pytest.raises(BuildError, match="is not an image manifest"):
        read_manifest(path)


def test_spdx_names_each_package_once_with_its_address() -> None:
    document = json.loads(spdx(ONE, "image", epoch=0))
    assert (document["spdxVersion"], document["creationInfo"]["created"]) == ("SPDX-2.3", "1970-01-01T00:00:00Z")
    assert len({one["SPDXID"] for one in document["packages"]}) == 2
    locators = [one["externalRefs"][0]["referenceLocator"] for one in document["packages"]]
    assert locators[1] == "pkg:deb/debian/libc%2B%2B1@1:14~rc1%2Bb1?arch=amd64"
