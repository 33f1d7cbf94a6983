"""An image's way into dist/images/: nothing before all of it is done, and what names its inputs."""

from __future__ import annotations

import dataclasses
import json
import tarfile
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.image import SCRATCH, hashed, inputs_of, publish, scratch_folder, size_of, write_tar
from consul_docker_host.image.manifest import digest_of
from tests.unit.image.test_disk import REQUEST

EPOCH = 1_700_000_000


def small_tree(folder: Path) -> Path:
    tree = folder / "root"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/hostname").write_text("a\n")
    return tree


def test_an_image_comes_with_its_sum_manifest_and_spdx_document(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    image = beside / "x.raw"
    made = hashed(small_tree(tmp_path), {"suite": "bookworm"})
    beside.mkdir()
    image.write_bytes(b"disk")
    targets = publish(tmp_path, image, made, epoch=EPOCH)
    assert targets[0] == tmp_path / "x.raw"
    assert {path.name for path in targets} == {"x.raw", "x.raw.sha256", "x.raw.manifest.json", "x.raw.spdx.json"}
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in targets)
    run(["sha256sum", "--check", "--strict", "x.raw.sha256"], cwd=tmp_path)
    assert json.loads((tmp_path / "x.raw.spdx.json").read_text())["spdxVersion"].startswith("SPDX-")
    assert list(beside.iterdir()) == []


def test_the_inputs_name_every_file_by_its_content(tmp_path: Path) -> None:
    deb, base = tmp_path / "a.deb", tmp_path / "base.raw"
    deb.write_bytes(b"deb")
    base.write_bytes(b"base")
    request = dataclasses.replace(REQUEST, debs=(deb,))
    inputs = inputs_of(request)
    assert inputs["file a.deb"] == digest_of(deb)
    assert (inputs["boots"], inputs["suite"]) == ("UEFI", "bookworm")
    on_base = inputs_of(dataclasses.replace(request, base=base))
    assert (on_base["base"], on_base["boots"]) == (digest_of(base), "as its base")
    deb.write_bytes(b"another")
    assert inputs_of(request) != inputs


def test_a_tar_holds_the_tree_sorted_by_name(tmp_path: Path) -> None:
    tree = small_tree(tmp_path)
    (tree / "b").touch()
    (tree / "a").touch()
    write_tar(tree, tmp_path / "x.tar")
    with tarfile.open(tmp_path / "x.tar") as tar:
        assert [name for name in tar.getnames() if name != "."] == ["./a", "./b", "./etc", "./etc/hostname"]


def test_a_scratch_directory_is_removed_whatever_happens_and_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    stale = tmp_path / f"{SCRATCH}killed"
    stale.mkdir()
    seen: list[bool] = []

    def fails() -> None:
        with scratch_folder(tmp_path) as scratch:
            seen.extend((scratch.is_dir(), stale.exists()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert seen == [True, False]
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_two_images_are_not_made_at_once(tmp_path: Path) -> None:
    with (
        scratch_folder(tmp_path),
        pytest.raises(BuildError, match="another image is being made"),
        scratch_folder(tmp_path),
    ):
        pass


@pytest.mark.parametrize(("size", "words"), [(3 << 20, "3 MiB"), (8 << 10, "8 KiB")])
def test_a_size_is_what_a_file_takes_on_the_disk(tmp_path: Path, size: int, words: str) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert size_of(tmp_path / "file") == words
