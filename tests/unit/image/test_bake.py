"""Steps in an image's root: isolated by default, on this machine's network alone where they ask for it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from consul_docker_host.core.run import run as run_program
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.image.bake import BAKE, ISOLATED, Root, clamp_times, fill_root
from host_program.settings import STATE
from tests.unit.image.test_disk import REQUEST

EPOCH = 1_700_000_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One program that a bake starts: its argv and environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str]

    @property
    def script(self) -> str:
        """The script of ours that runs in the root."""
        return next(word for word in reversed(self.argv) if word.endswith(".sh"))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Return what a bake starts in the root; copies are made."""
    found: list[Step] = []

    def run(argv: Sequence[str], *, env: Mapping[str, str] | None = None, **options: object) -> object:
        if "cp" in argv:
            return run_program(argv)
        found.append(Step(argv=tuple(argv), env=env or {}))
        return None

    monkeypatch.setattr("consul_docker_host.image.bake.run", run)
    return found


def given(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(name.encode())
    return path


def test_a_system_of_packages_is_prepared_filled_and_sealed_offline(tmp_path: Path, steps: list[Step]) -> None:
    tree = tmp_path / "root"
    tree.mkdir()
    debs = (given(tmp_path, "a.deb"), given(tmp_path, "b.deb"))
    request = dataclasses.replace(REQUEST, debs=debs, preload=(given(tmp_path, "app.tar"),))
    fill_root(Workspace(), request, Root(tree=tree, inside=tree), epoch=EPOCH)
    assert [os.path.basename(step.script) for step in steps] == ["base.sh", "bake.sh", "seal.sh"]  # noqa: PTH119
    assert all(step.argv[: len(ISOLATED)] == ISOLATED for step in steps)
    assert all(step.env["SOURCE_DATE_EPOCH"] == str(EPOCH) for step in steps)
    assert not [step for step in steps if "online" in step.argv]
    place = tree / BAKE
    files = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    assert files == ["a.deb", "b.deb", "preload/app.tar"]
    for path in (ROOT / "packaging/images/tree").rglob("*"):
        assert (tree / path.relative_to(ROOT / "packaging/images/tree")).exists()


def test_an_existing_system_is_filled_online_and_only_that_step_is(
    tmp_path: Path, steps: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    tree = tmp_path / "root"
    tree.mkdir()
    request = dataclasses.replace(REQUEST, debs=(given(tmp_path, "a.deb"),), base=tmp_path / "base.raw")
    fill_root(Workspace(), request, Root(tree=tree, inside=tree), epoch=EPOCH)
    filled, sealed = steps
    assert ("online" in filled.argv, "--net" in filled.argv) == (True, False)
    assert filled.env["https_proxy"] == "http://proxy.example:3128"
    assert ("--net" in sealed.argv, "https_proxy" in sealed.env) == (True, False)
    assert not (tree / "etc/cloud").exists(), "a cloud's image has its own"


def test_only_what_is_younger_than_the_image_s_day_gets_that_day(tmp_path: Path) -> None:
    young, old, link = tmp_path / "young file", tmp_path / "old", tmp_path / "link"
    young.touch()
    old.touch()
    os.utime(old, (EPOCH - 5, EPOCH - 5))
    link.symlink_to("nowhere")
    clamp_times(tmp_path, EPOCH)
    stamps = [int(path.lstat().st_mtime) for path in (young, old, link, tmp_path)]
    assert stamps == [EPOCH, EPOCH - 5, EPOCH, EPOCH]


def test_a_tree_without_anything_young_is_unchanged(tmp_path: Path) -> None:
    os.utime(tmp_path, (EPOCH - 9, EPOCH - 9))
    clamp_times(tmp_path, EPOCH)
    assert int(tmp_path.stat().st_mtime) == EPOCH - 9


def test_what_was_rendered_while_an_image_was_made_is_in_none_of_it() -> None:
    """The copy that a Consul without Python starts on has the gossip key and the private keys."""
    lines = (ROOT / "packaging/images/seal.sh").read_text().splitlines()
    removed = {word for line in lines if line.startswith("rm -rf ") for word in line.split()[2:]}
    assert f"{STATE}/rendered" in removed
