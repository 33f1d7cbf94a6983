"""What is known of packages: a file is read once, again when it changes, and never believed by its name alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from consul_docker_host.repository.catalogue import Catalogue, Item


def reader(calls: list[str]):  # type: ignore[no-untyped-def]  # a closure for one test
    def read(file: Path, path: str) -> Item:
        calls.append(path)
        content = file.read_text()
        return Item(
            name=content,
            version="1",
            architecture="all",
            path=path,
            size=len(content),
            sha256="s",
            unsigned="u",
            texts=("a", "b"),
        )

    return read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.deb").write_text("first")
    return tmp_path / "a.deb"


def test_a_file_is_read_once(file: Path, tmp_path: Path) -> None:
    calls: list[str] = []
    for _ in range(2):
        catalogue = Catalogue(file=tmp_path / "known.json").load()
        item = catalogue.item(file, "pool/a.deb", reader(calls))
        catalogue.save()
        assert (item.name, item.path, item.size, item.texts) == ("first", "pool/a.deb", 5, ("a", "b"))
    assert calls == ["pool/a.deb"]


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_changed_file_is_read_again(file: Path, tmp_path: Path, change: str) -> None:
    calls: list[str] = []
    known = tmp_path / "known.json"
    catalogue = Catalogue(file=known).load()
    catalogue.item(file, "a", reader(calls))
    catalogue.save()
    status = file.stat()
    file.write_text("second" if change == "size" else "other")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + (0 if change == "size" else 1)))
    assert Catalogue(file=known).load().item(file, "a", reader(calls)).name == file.read_text()
    assert calls == ["a", "a"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"form": 0, "items": {}}', '{"form": 1}'])
def test_a_memory_that_cannot_be_read_is_none(file: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "known.json").write_text(text)
    calls: list[str] = []
    Catalogue(file=tmp_path / "known.json").load().item(file, "a", reader(calls))
    assert calls == ["a"]


def test_what_is_gone_is_forgotten_and_an_unchanged_memory_is_not_written(file: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    catalogue = Catalogue(file=known).load()
    for path in ("a", "b"):
        catalogue.item(file, path, reader([]))
    catalogue.save()
    for _ in range(2):
        catalogue = Catalogue(file=known).load()
        catalogue.item(file, "a", reader([]))
        catalogue.save()
    assert '"b":[' not in known.read_text()
    before = known.stat().st_ino
    catalogue = Catalogue(file=known).load()
    catalogue.item(file, "a", reader([]))
    catalogue.save()
    assert known.stat().st_ino == before
