"""What the user's cache contains, and which of it no current recipe refers to.

Each part of the cache belongs to a module, its owner, which is asked for what it would use today; the test beds answer
through a program, since nothing here imports the tests. What has a key of its own but depends on what was built, such
as a disk with the package in it, is outdated once others of its kind have been used for a day and it has not.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.programs import cached_fpm_folder
from consul_docker_host.core.report import say, table
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace, cache_path
from consul_docker_host.prove.consul_binary import consul_folder
from consul_docker_host.prove.golang import kept_names

DAY = 86400.0
# A temporary directory that nobody has changed for so long, and that no process holds, is of a dead run.
DEAD_SECONDS = 3600.0
BED_SECONDS = 120.0
# NAME-KEY, with what may follow the key: an epoch, a suffix.
KEYED = re.compile(r"(?P<family>.+)-(?P<key>[0-9a-f]{12,16})(?P<rest>[-.].*)?$")
# Kept as they are: a few bytes, or the engine's own business.
WHOLE = frozenset({"bed", "bin", "engine", "verified"})


class State(StrEnum):
    """Whether a current recipe refers to an entry."""

    current = "current"
    outdated = "outdated"
    unknown = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an owner would use today, by name; with ``is_all`` nothing else in its room is of use."""

    current: frozenset[str]
    is_all: bool = True

    @property
    def families(self) -> frozenset[str]:
        """The names without their keys."""
        return frozenset(family_of(name) for name in self.current)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or directory of the cache; times are seconds since 1970."""

    path: Path
    size: int
    used: float
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineImage:
    """An image of the tests' Docker engine."""

    tag: str
    size: int
    used: float
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Beds:
    """What the test beds answered."""

    answers: Mapping[str, Answer]
    images: tuple[EngineImage, ...]


def family_of(name: str) -> str:
    """Return a name without its key; what has none is a family of its own."""
    found = KEYED.match(name)
    return found["family"] if found else name


def builder_answers() -> dict[str, Answer]:
    """Return what the builder's own modules would use today."""
    return {
        "fpm": Answer(current=frozenset({cached_fpm_folder().name})),
        "consul": Answer(current=frozenset({consul_folder().name})),
        "go": Answer(current=frozenset(kept_names())),
    }


def ask_beds(work: Workspace, *arguments: str, seconds: float = BED_SECONDS) -> Beds:
    """Return what the test beds would use today; their modules are asked in a process of their own."""
    paths = os.pathsep.join((str(work.packaging), str(work.root)))
    argv = [sys.executable, "-m", "tests.support.cache", *arguments]
    answered = json.loads(run(argv, cwd=work.root, env={"PYTHONPATH": paths}, timeout=seconds).stdout)
    answers = {
        room: Answer(current=frozenset(answer["current"]), is_all=answer["is_all"])
        for room, answer in answered["rooms"].items()
    }
    images = [
        EngineImage(tag=one["tag"], size=one["size"], used=one["used"], state=State(one["state"]))
        for one in answered["images"]
    ]
    return Beds(answers=answers, images=tuple(images))


def entries_of(cache: Path, answers: Mapping[str, Answer], *, now: float) -> list[Entry]:
    """Return everything in the cache, room by room; locks belong to what they lock."""
    found = []
    for room in sorted(path for path in cache.iterdir() if path.is_dir()) if cache.is_dir() else []:
        if room.name in WHOLE:
            found.append(entry_of(room, State.current))
            continue
        members = [path for path in sorted(room.iterdir()) if not is_lock(path)]
        states = states_of(members, answers.get(room.name), now=now)
        for path, state in zip(members, states, strict=True):
            found.append(entry_of(path, state))
            # A guest's disk has made ones beside it, each with a key of its own.
            if state is State.current and path.is_dir():
                inner = [one for one in sorted(path.iterdir()) if KEYED.match(one.name) or is_temporary(one)]
                inner = [one for one in inner if not is_lock(one)]
                inner_states = states_of(inner, None, now=now)
                outdated = [one for one, its in zip(inner, inner_states, strict=True) if its is State.outdated]
                found += [entry_of(one, State.outdated) for one in outdated]
    return found


def entry_of(path: Path, state: State) -> Entry:
    """Return a path as an entry."""
    return Entry(path=path, size=size_of(path), used=last_use(path), state=state)


def states_of(paths: Sequence[Path], answer: Answer | None, *, now: float) -> list[State]:
    """Return the state of each member of one directory."""
    newest: dict[str, float] = {}
    for path in paths:
        family = family_of(path.name)
        newest[family] = max(newest.get(family, 0.0), last_use(path))

    def state_of(path: Path) -> State:
        if is_temporary(path):
            return State.outdated if now - last_use(path) > DEAD_SECONDS else State.current
        if answer and path.name in answer.current:
            return State.current
        if answer and (answer.is_all or family_of(path.name) in answer.families):
            return State.outdated
        if not KEYED.match(path.name):
            return State.unknown
        return State.outdated if newest[family_of(path.name)] - last_use(path) > DAY else State.current

    return [state_of(path) for path in paths]


def is_lock(path: Path) -> bool:
    """Return whether a path is a lock of something beside it."""
    return path.name == "lock" or path.suffix == ".lock"


def is_temporary(path: Path) -> bool:
    """Return whether a path is made for a moment: by tempfile, or hidden until it is complete."""
    return path.name.startswith((".", "tmp"))


def locks_of(path: Path) -> list[Path]:
    """Return the locks under which an entry is made and used, those that are there."""
    beside = [path / "lock", path.with_name(f"{path.name}.lock"), path.with_suffix(".lock")]
    beside += [path.parent / f"{family_of(path.name)}.lock", path.parent / "lock", path.parent / "wheel.lock"]
    return [lock for lock in dict.fromkeys(beside) if lock.is_file()]


def last_use(path: Path) -> float:
    """Return when an entry was last made or used, as far as its times and its own lock's tell."""
    own = [path, path / "lock", path.with_name(f"{path.name}.lock"), path.with_suffix(".lock")]
    return max((one.lstat().st_mtime for one in own if os.path.lexists(one)), default=0.0)


def size_of(path: Path) -> int:
    """Return the bytes that a file or directory takes on the disk."""
    total = 0
    for one in (path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())):
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            total += one.lstat().st_blocks * 512
    return total


def show(work: Workspace, *, prune: bool) -> None:
    """Print what the cache contains; with ``prune`` remove what is outdated and in no process's hands."""
    cache = cache_path()
    beds = ask_beds(work)
    now = time.time()
    entries = entries_of(cache, builder_answers() | dict(beds.answers), now=now)
    rows = [
        (entry.state, size_text(entry.size), age_text(now - entry.used), name_of(entry, cache)) for entry in entries
    ]
    rows += [
        (image.state, size_text(image.size), age_text(now - image.used), f"image {image.tag}") for image in beds.images
    ]
    for line in table(("state", "size", "last use", "name"), rows):
        say(line)
    outdated = [entry for entry in entries if entry.state is State.outdated]
    images = [image for image in beds.images if image.state is State.outdated]
    say(f"{cache}: {size_text(sum_of(entries))}; outdated: {summary(outdated, images)}")
    if prune:
        prune_all(work, cache, outdated, images)
    elif outdated or images:
        say("./inv cache --prune removes what is outdated")


def sum_of(entries: Sequence[Entry]) -> int:
    """Return the size of all entries; one within another is counted once."""
    paths = {entry.path for entry in entries}
    return sum(entry.size for entry in entries if entry.path.parent not in paths)


def summary(outdated: Sequence[Entry], images: Sequence[EngineImage]) -> str:
    """Return how much is outdated."""
    text = f"{len(outdated)} ({size_text(sum_of(outdated))})"
    return f"{text} and {len(images)} images" if images else text


def name_of(entry: Entry, cache: Path) -> str:
    """Return an entry's name in the listing."""
    return f"{entry.path.relative_to(cache)}{'/' if entry.path.is_dir() else ''}"


def size_text(size: int) -> str:
    """Return a size as people read it."""
    if size < 1 << 20:
        return f"{size / (1 << 10):.0f} KiB"
    return f"{size / (1 << 20):.0f} MiB" if size < 1 << 30 else f"{size / (1 << 30):.1f} GiB"


def age_text(seconds: float) -> str:
    """Return an age in its largest unit."""
    units = ((DAY, "d"), (3600.0, "h"), (60.0, "min"))
    length, unit = next(((length, unit) for length, unit in units if seconds >= length), (1.0, "s"))
    return f"{max(seconds, 0) / length:.0f} {unit}"


def prune_all(work: Workspace, cache: Path, outdated: Sequence[Entry], images: Sequence[EngineImage]) -> None:
    """Remove what is outdated, and print what was kept because a process uses it."""
    held = held_paths(cache)
    freed = 0
    for entry in outdated:
        if reason := remove(entry.path, held):
            say(f"kept {name_of(entry, cache)}: {reason}")
        else:
            freed += entry.size
            say(f"removed {name_of(entry, cache)}")
    if images:
        before = {image.tag for image in images}
        left = {image.tag for image in ask_beds(work, "--prune", seconds=BED_SECONDS * 10).images}
        for tag in sorted(before):
            say(f"kept image {tag}: it is in use" if tag in left else f"removed image {tag}")
    say(f"freed {size_text(freed)}")


def remove(path: Path, held: Mapping[str, int]) -> str:
    """Remove an entry under its locks; return why not, where others use it."""
    if user := next((pid for name, pid in held.items() if name == str(path) or name.startswith(f"{path}/")), None):
        return f"process {user} uses it"
    locks = [Lock(lock) for lock in locks_of(path)]
    try:
        for lock in locks:
            if not lock.try_acquire():
                return f"{lock.path.name} is locked"
        if path.is_dir() and not path.is_symlink():
            # Nobody meets a half: it is gone under its name at once.
            gone = path.with_name(f".{path.name}.pruned")
            path.rename(gone)
            shutil.rmtree(gone)
        else:
            path.unlink()
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}", hint="run it as the owner of the cache") from error
    finally:
        for lock in locks:
            lock.release()
    return ""


def held_paths(cache: Path) -> dict[str, int]:
    """Return each path below the cache that a process has open, works in or names in its arguments."""
    prefix, found = f"{cache}/", {}
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            found.update({path: int(process.name) for path in process_paths(process) if path.startswith(prefix)})
    return found


def process_paths(process: Path) -> Iterator[str]:
    """Yield the paths that a process of /proc holds; one that has ended meanwhile holds none."""
    with contextlib.suppress(OSError):
        for link in (process / "cwd", process / "root", process / "exe", *(process / "fd").iterdir()):
            with contextlib.suppress(OSError):
                yield str(link.readlink())
    with contextlib.suppress(OSError):
        for word in (process / "cmdline").read_bytes().decode(errors="replace").split("\0"):
            # QEMU has paths within its arguments: file=PATH,format=raw.
            yield from re.findall(r"/[^,:]+", word)
