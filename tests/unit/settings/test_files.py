"""The archive's key that settings name: a file that cannot be used is reported with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.settings.files import archive_key, missing_files
from consul_docker_host.settings.load import load_settings
from tests.unit.kit import ARCHIVE_KEY, DEFAULTS


def test_no_file_is_needed_where_none_is_named(tmp_path: Path) -> None:
    assert archive_key(tmp_path, "") == ""
    assert list(missing_files(load_settings(DEFAULTS), tmp_path)) == []


def test_the_key_is_read_below_the_checkout_or_from_an_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "archive.asc").write_text(ARCHIVE_KEY)
    assert archive_key(tmp_path, "archive.asc") == ARCHIVE_KEY
    assert archive_key(Path("/none"), str(tmp_path / "archive.asc")) == ARCHIVE_KEY


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x99\x01", "is not ASCII; export the public key: gpg --armor --export KEY"),
        (b"key", "is not an ASCII-armoured public key; export it: gpg --armor --export KEY"),
        (ARCHIVE_KEY.encode() * 2, "has more than one block of keys; apt reads only the first; write one: gpg"),
    ],
)
def test_a_file_that_apt_could_not_use_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "archive.asc").write_bytes(content)
    with pytest.raises(ValueError, match=r"archive\.asc ") as caught:
        archive_key(tmp_path, "archive.asc")
    assert reason in str(caught.value)
