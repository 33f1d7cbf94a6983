"""Bases in the user's cache: who waits for whom, and which of them go when another one comes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.image import bootstrap
from consul_docker_host.image.bootstrap import KEPT, base_of, forget_old, lock_base, lock_of, unfinished
from consul_docker_host.image.request import Request
from tests.unit.image.test_disk import REQUEST


def placed(folder: Path, name: str, age: int) -> Path:
    """Place a base that was last of use so many seconds ago."""
    tree = folder / name
    (tree / "usr").mkdir(parents=True)
    lock = lock_of(tree)
    lock.touch()
    os.utime(lock, (10_000 - age, 10_000 - age))
    return tree


def test_the_one_that_was_not_used_for_longest_goes_and_what_was_never_finished(tmp_path: Path) -> None:
    trees = [placed(tmp_path, f"suite-{number}", number) for number in range(KEPT + 2)]
    beside, _ = unfinished(trees[0])
    (beside / "usr").mkdir(parents=True)
    forget_old(tmp_path / "suite-new")
    assert [tree for tree in trees if tree.exists()] == trees[: KEPT - 1]
    assert not beside.exists()


def test_what_another_process_uses_stays(tmp_path: Path) -> None:
    trees = [placed(tmp_path, f"suite-{number}", number) for number in range(KEPT + 1)]
    user = Lock(lock_of(trees[-1]))
    user.acquire(shared=True)
    forget_old(tmp_path / "suite-new")
    user.release()
    assert trees[-1].exists()
    assert not trees[-2].exists()


def test_images_of_one_base_go_side_by_side_and_a_new_base_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "BOOTSTRAP_SECONDS", 0.5)
    tree = placed(tmp_path, "suite-1", 0)
    one, other, third = lock_base(tree), lock_base(tree), lock_base(tree)
    one.acquire(shared=True)
    other.acquire(shared=True)
    with pytest.raises(BuildError, match="another image has been using it for more than"):
        third.acquire()
    for lock in (one, other):
        lock.release()
    assert capsys.readouterr().out.count("waiting for another image") == 1


def test_a_base_is_made_once_and_again_where_it_is_asked_for_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def make_base(_: Request, tree: Path, __: int) -> None:
        made.append(tree)
        tree.mkdir(exist_ok=True)

    monkeypatch.setattr(bootstrap, "bootstrap", make_base)
    monkeypatch.setattr(bootstrap, "cache_folder", lambda _: tmp_path)
    for fresh in (False, False, True):
        with base_of(REQUEST, epoch=1, fresh=fresh) as tree:
            assert tree.name.startswith("bookworm-")
    assert len(made) == 2


def test_a_bootstrap_that_fails_leaves_the_base_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        beside.mkdir()
        raise BuildError("no archive")

    tree = placed(tmp_path, "suite-1", 0)
    beside, former = unfinished(tree)
    monkeypatch.setattr(bootstrap, "run", run)
    with pytest.raises(BuildError):
        bootstrap.bootstrap(REQUEST, tree, 1)
    assert ((tree / "usr").exists(), beside.exists(), former.exists()) == (True, False, False)
