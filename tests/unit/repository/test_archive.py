"""A publication is whole or not there: what is served is the old tree or the new one, whatever happens in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.package.archive_sources import KEY_NAME
from consul_docker_host.package.plan import RepositoryPlan
from consul_docker_host.prove.bench_repository import write_deb
from consul_docker_host.repository import archive
from consul_docker_host.repository.archive import Published, current_names, named_files, publish
from consul_docker_host.repository.signing import Signer, signer
from tests.unit.kit import snapshot

# Publishes, and is killed at its step number N: at each of its ways to change a disk, and each start of a program.
KILLED = """
import os, signal, sys, tempfile
sys.path.insert(0, {source!r})
from pathlib import Path
from consul_docker_host.package.plan import RepositoryPlan
from consul_docker_host.repository.archive import publish
from consul_docker_host.repository.signing import signer
from consul_docker_host.core.workspace import Workspace
root, key, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
steps = 0
EVENTS = ("os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "subprocess.Popen", "ctypes.dlsym")
def hook(event, arguments):
    global steps
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if event in EVENTS or writes:
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
armour = Path(key, {name!r}).read_text()
plan = RepositoryPlan(url="https://a.example", channel="stable", key=armour)
work = Workspace(root=root)
with signer(armour, "x", key) as signing, tempfile.TemporaryDirectory(prefix=".new-", dir=work.dist) as folder:
    sys.addaudithook(hook)
    publish(work, plan, signing, Path(folder), channel="stable", with_consul=False)
    print(steps)
    last = 0
"""


@pytest.fixture(scope="module")
def armour(archive_key: Path) -> str:
    return (archive_key / KEY_NAME).read_text()


@pytest.fixture(scope="module")
def signing(archive_key: Path, armour: str) -> Iterator[Signer]:
    with signer(armour, "key", str(archive_key)) as opened:
        yield opened


@pytest.fixture
def place(tmp_path: Path, keyring_rpms: tuple[Path, ...]) -> Workspace:
    """Return a workspace whose dist/ holds a deb and an rpm."""
    work = Workspace(root=tmp_path / "checkout")
    work.dist.mkdir(parents=True)
    write_deb(work.dist, "1.0")
    shutil.copy(keyring_rpms[0], work.dist)
    return work


@pytest.fixture
def plan(armour: str) -> RepositoryPlan:
    return RepositoryPlan(url="https://a.example", channel="stable", key=armour)


@contextmanager
def beside(work: Workspace) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=".new-", dir=work.dist) as folder:
        yield Path(folder)


def published(
    work: Workspace, plan: RepositoryPlan, signing: Signer, *, channel: str = "stable", with_consul: bool = False
) -> Published:
    with beside(work) as folder:
        return publish(work, plan, signing, folder, channel=channel, with_consul=with_consul)


def served(work: Workspace) -> dict[str, tuple[str, int, int]]:
    return snapshot(work.dist / "repository")


def next_version(work: Workspace, version: str = "1.1") -> None:
    for path in work.dist.glob("bench_*"):
        path.unlink()
    write_deb(work.dist, version)


def test_what_was_published_stays_and_the_new_comes_beside_it(
    place: Workspace, plan: RepositoryPlan, signing: Signer
) -> None:
    first = published(place, plan, signing)
    before = served(place)
    next_version(place)
    second = published(place, plan, signing)
    assert (len(first.added), second.added) == (2, ("bench_1.1_all.deb",))
    after = served(place)
    packages = {name: state for name, state in before.items() if name.endswith((".deb", ".rpm"))}
    assert packages == {name: after[name] for name in packages}
    assert [item.version for item in second.items["apt/stable"]] == ["1.0", "1.1"]
    index = (place.dist / "repository/apt/dists/stable/main/binary-amd64/Packages").read_text()
    assert index.count("Package: bench") == 2
    untouched = {name: state for name, state in before.items() if "testing" in name or "/repodata/" in name}
    assert untouched == {name: after[name] for name in untouched}, "what has not changed is not signed anew"


def test_nothing_new_changes_nothing(place: Workspace, plan: RepositoryPlan, signing: Signer) -> None:
    published(place, plan, signing)
    before = served(place)
    again = published(place, plan, signing)
    assert (again.added, again.is_changed) == ((), False)
    assert served(place) == before


def test_everything_is_readable_by_a_web_server(place: Workspace, plan: RepositoryPlan, signing: Signer) -> None:
    old = os.umask(0o077)
    try:
        published(place, plan, signing)
    finally:
        os.umask(old)
    root = place.dist / "repository"
    files = [path for path in root.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}
    assert {path.stat().st_mode & 0o777 for path in [root, *root.rglob("*")] if path.is_dir()} == {0o755}
    assert not [path for path in root.rglob("*") if path.is_symlink() or path.name.startswith(".")]


def test_without_its_memory_the_repository_is_the_same(place: Workspace, plan: RepositoryPlan, signing: Signer) -> None:
    published(place, plan, signing)
    before = served(place)
    shutil.rmtree(place.build)
    again = published(place, plan, signing)
    assert again.added == ()
    packages = {name for name in before if name.endswith((".deb", ".rpm", "Packages", "Packages.xz"))}
    after = served(place)
    assert {name: before[name][0] for name in packages} == {name: after[name][0] for name in packages}


def test_an_index_stays_for_a_week_after_another_took_its_place(
    place: Workspace, plan: RepositoryPlan, signing: Signer
) -> None:
    published(place, plan, signing)
    root = place.dist / "repository"
    old = current_names(root)
    next_version(place)
    published(place, plan, signing)
    assert old - current_names(root), "the new signed file names others"
    assert all((root / name).is_file() for name in old)
    state = archive.Record(file=archive.memory_folder(place) / "state.json").load()
    assert set(state.retired) == old - current_names(root)
    # Eight days later.
    text = json.loads(state.file.read_text())
    text["retired"] = dict.fromkeys(text["retired"], time.time() - 8 * 86400)
    state.file.write_text(json.dumps(text))
    next_version(place, "1.2")
    published(place, plan, signing)
    assert not [name for name in state.retired if (root / name).exists()]
    assert {str(path.relative_to(root)) for path in named_files(root)} >= current_names(root)


def test_an_index_with_an_end_is_made_anew_each_time(place: Workspace, armour: str, signing: Signer) -> None:
    plan = RepositoryPlan(url="https://a.example", channel="stable", key=armour, valid_days=7)
    published(place, plan, signing)
    path = place.dist / "repository/apt/dists/stable/InRelease"
    assert "Valid-Until: " in path.read_text()
    before = path.stat().st_ino
    assert published(place, plan, signing).is_changed
    assert path.stat().st_ino != before


def test_an_end_that_is_taken_back_is_gone(
    place: Workspace, plan: RepositoryPlan, armour: str, signing: Signer
) -> None:
    published(place, RepositoryPlan(url=plan.url, channel="stable", key=armour, valid_days=7), signing)
    assert published(place, plan, signing).is_changed
    for path in (place.dist / "repository/apt/dists").glob("*/InRelease"):
        assert "Valid-Until" not in path.read_text()


def test_a_memory_that_is_older_than_what_is_served_is_not_believed(
    place: Workspace, plan: RepositoryPlan, signing: Signer
) -> None:
    """As after a run that was killed between the swap and its last line, and a package that was taken out by hand."""
    published(place, plan, signing)
    memory = (archive.memory_folder(place) / "state.json").read_text()
    next_version(place)
    published(place, plan, signing)
    (archive.memory_folder(place) / "state.json").write_text(memory)
    next(place.dist.glob("bench_1.1*")).unlink()
    (place.dist / "repository/apt/pool/stable/b/bench/bench_1.1_all.deb").unlink()
    published(place, plan, signing)
    assert_whole(place.dist / "repository")
    index = (place.dist / "repository/apt/dists/stable/main/binary-all/Packages").read_text()
    assert index.count("Package: bench") == 1


def test_another_address_or_key_is_published(
    place: Workspace, plan: RepositoryPlan, signing: Signer, armour: str
) -> None:
    published(place, plan, signing)
    moved = RepositoryPlan(url="https://b.example", channel="stable", key=armour)
    assert published(place, moved, signing).is_changed
    assert "https://b.example/apt" in (place.dist / "repository/apt/stable/consul-docker-host.sources").read_text()


def test_consul_is_refused_unless_asked_for(place: Workspace, plan: RepositoryPlan, signing: Signer) -> None:
    published(place, plan, signing)
    before = served(place)
    (place.dist / "consul").mkdir()
    write_deb(place.dist / "consul", "1.22.7-1", name="consul")
    assert published(place, plan, signing).added == ()
    write_deb(place.dist, "1.22.7-1", name="consul")
    with pytest.raises(
        BuildError, match=r"^pool/stable/c/consul/consul_1\.22\.7-1_all\.deb: Consul's licence \(BUSL\)"
    ) as caught:
        published(place, plan, signing)
    assert "--with-consul" in caught.value.hint
    assert served(place) == before
    (place.dist / "consul_1.22.7-1_all.deb").unlink()
    assert published(place, plan, signing, with_consul=True).added == ("consul_1.22.7-1_all.deb",)
    with pytest.raises(BuildError, match="Consul's licence"):
        published(place, plan, signing)


def test_mistakes_leave_the_old_repository(place: Workspace, plan: RepositoryPlan, signing: Signer) -> None:
    with pytest.raises(BuildError, match=r"contains no deb and no rpm\n  \./inv build makes them"):
        published(Workspace(root=make_empty(place)), plan, signing)
    published(place, plan, signing)
    before = served(place)
    with pytest.raises(BuildError, match="--channel unstable: unknown channel\n  use stable or testing"):
        published(place, plan, signing, channel="unstable")
    (place.dist / "a.deb").write_bytes(b"no deb")
    with pytest.raises(BuildError, match=r"dist/a\.deb: is not a deb"):
        published(place, plan, signing)
    assert served(place) == before


def make_empty(work: Workspace) -> Path:
    root = work.root.parent / "empty"
    (root / "dist").mkdir(parents=True)
    return root


def test_killed_at_any_step_the_old_repository_or_the_new_one_is_served_whole(
    place: Workspace, plan: RepositoryPlan, signing: Signer, archive_key: Path, is_long: bool
) -> None:
    published(place, plan, signing)
    next_version(place)
    shutil.copytree(place.root, place.root.parent / "start")
    script = KILLED.format(source=str(ROOT / "packaging"), name=KEY_NAME)
    steps = int(killed(script, place, archive_key, 0).split()[-1])
    assert steps > 100
    seen = set()
    points = range(1, steps + 1) if is_long else sorted({*range(1, steps, steps // 14), *range(steps - 6, steps + 1)})
    for point in points:
        shutil.rmtree(place.root)
        shutil.copytree(place.root.parent / "start", place.root)
        before = contents(served(place))
        killed(script, place, archive_key, point)
        after = contents(served(place))
        is_new = "apt/pool/stable/b/bench/bench_1.1_all.deb" in after
        seen.add(is_new)
        if is_new:
            assert_whole(place.dist / "repository")
        else:
            assert after == before, f"killed at step {point}"
        again = published(place, plan, signing)
        assert "bench_1.1_all.deb" in {Path(item.path).name for item in again.items["apt/stable"]}
        assert_whole(place.dist / "repository")
    assert seen == {False, True}, "some were killed before the swap, some after"


def killed(script: str, work: Workspace, key: Path, point: int) -> str:
    # Without bytecode: a module's first import would write it, which is a step that later runs do not have.
    argv = [sys.executable, "-B", "-c", script, str(work.root), str(key), str(point)]
    done = run(argv, check=False)
    assert done.returncode == (-signal.SIGKILL if point else 0), done.output
    return done.stdout


def contents(tree: Mapping[str, tuple[str, int, int]]) -> dict[str, str]:
    return {name: state[0] for name, state in tree.items()}


def assert_whole(root: Path) -> None:
    """Demand that all that the signed files name is there."""
    names = current_names(root)
    assert len(names) > 4
    assert [name for name in names if not (root / name).is_file()] == []
    for index in root.glob("apt/dists/*/main/binary-all/Packages"):
        files = [line.split()[1] for line in index.read_text().splitlines() if line.startswith("Filename: ")]
        assert [name for name in files if not (root / "apt" / name).is_file()] == []
