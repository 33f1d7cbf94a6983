"""The same inputs give the same bytes, whoever builds them, where and when: all that reprotest(1) varies."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.core.programs import find_fpm
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace, file_digest
from tests.package.conftest import BACKENDS, artefact, built
from tests.package.readers import read_rpm
from tests.unit.kit import ARCHIVE_KEY, RICH, copy_checkout, fake_program, path_with, walk

NOBODY = 65534
Builds = dict[str, Workspace]


def digests(dist: Path) -> dict[str, str]:
    return {str(path.relative_to(dist)): file_digest(path) for path in walk(dist)}


def home(folder: Path) -> str:
    """Return a new user's home, with settings that rpmbuild and fpm must not take."""
    path = folder / "new home"
    path.mkdir()
    (path / ".rpmmacros").write_text("%_buildhost leaks\n%packager leaks\n%_binary_payload w1.gzdio\n")
    (path / ".fpm").write_text("--vendor leaks\n")
    return str(path)


# Another kernel's name, fixed addresses, one processor, another host and domain, a longer search path.
MACHINE = """
export PATH="$PATH:/i/capture/the/path"
set -- setarch --uname-2.6 --addr-no-randomize taskset --cpu-list 0 \\
    unshare $([ "$(id -u)" = 0 ] || echo --map-root-user) --uts \\
    sh -c 'hostname elsewhere.example && uname -r | grep -q ^2.6 && [ "$(nproc)" = 1 ] && exec "$@"' sh "$@"
"""
SURROUNDINGS = {
    "umask and time zone": ({"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"}, "umask 0077"),
    "locale": ({"LANG": "tr_TR.ISO-8859-9", "LC_ALL": "C", "LANGUAGE": "tr", "PYTHONHASHSEED": "2"}, "umask 0002"),
    "machine": ({}, MACHINE),
    "names of a user": ({"USER": "leaks", "LOGNAME": "leaks", "DEBFULLNAME": "leaks", "DEBEMAIL": "leaks@x"}, ""),
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_surrounds_a_build_does_not_matter(
    rich_builds: Builds, tmp_path: Path, cache: Path, backend: str, surroundings: str
) -> None:
    env, before = SURROUNDINGS[surroundings]
    work = copy_checkout(tmp_path / "checkout")
    built(work, backend, cache=cache, env={**env, "HOME": home(tmp_path)}, before=before)
    assert digests(work.dist) == digests(rich_builds[backend].dist)


def test_another_hour_does_not_matter(rich_builds: Builds, tmp_path: Path, cache: Path) -> None:
    """Fpm, tar, gzip and rpmbuild are told that it is tomorrow.

    Nfpm is a static program that nobody can tell so: that its packages hold no time but the plan's is shown by their
    stamps, below.
    """
    fpm = find_fpm()
    assert fpm
    gems = " ".join(f"{name}={value}" for name, value in fpm.environment.items())
    fake_program(tmp_path / "bin", "fpm", f'exec faketime -f +31h env {gems} {fpm.program} "$@"')
    assert run(["faketime", "-f", "+31h", "date", "+%j"]).stdout != run(["date", "+%j"]).stdout
    work = copy_checkout(tmp_path / "checkout")
    built(work, "fpm", cache=cache, env={"PATH": path_with(tmp_path / "bin")})
    assert digests(work.dist) == digests(rich_builds["fpm"].dist)


@pytest.mark.parametrize("backend", BACKENDS)
def test_folder_and_order_of_the_files_do_not_matter(
    rich_builds: Builds, tmp_path: Path, cache: Path, backend: str
) -> None:
    work = copy_checkout(tmp_path / "a long path with blanks, (brackets) and ü" / ("x" * 60) / "checkout", reverse=True)
    built(work, backend, cache=cache)
    assert digests(work.dist) == digests(rich_builds[backend].dist)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that another user can reach: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="reproducible-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_user_does_not_matter(rich_builds: Builds, open_folder: Path, backend: str) -> None:
    """Root builds as nobody; anybody else builds as the root of a namespace."""
    work = copy_checkout(open_folder / "checkout")
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    shutil.copy(RICH, work.root / "rich.toml")
    cached = open_folder / "cache" / "consul-docker-host" / "fpm"
    fpm = find_fpm()
    assert fpm
    if fpm.environment:
        shutil.copytree(Path(fpm.environment["GEM_HOME"]).parent, cached, symlinks=True)
    (open_folder / "home").mkdir()
    python = Path(sys.executable)
    if os.geteuid() == 0:
        for path in [open_folder, *open_folder.rglob("*")]:
            os.lchown(path, NOBODY, NOBODY)
        # The checkout's own Python may lie where others are not let in, as below /root.
        (open_folder / "venv").mkdir()
        bound = 'mount --bind "$1" "$2"; shift 2; exec "$@"'
        other = ["unshare", "--mount", "sh", "-ec", bound, "sh", sys.prefix, str(open_folder / "venv")]
        other += ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        python = open_folder / "venv" / "bin" / python.name
    else:
        other = ["unshare", "--map-root-user"]
    env = {"HOME": str(open_folder / "home"), "XDG_CACHE_HOME": str(open_folder / "cache"), "TMPDIR": str(open_folder)}
    argv = [str(python), "-m", "invoke", "build", "--backend", backend, "--settings", "rich.toml"]
    done = run([*other, *argv], cwd=work.root, env=env, check=False)
    assert done.returncode == 0, done.output
    assert digests(work.dist) == digests(rich_builds[backend].dist)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_package_holds_the_time_of_its_building(builds: Builds, backend: str) -> None:
    work = builds[backend]
    epoch = int(read_rpm(artefact(work, ".rpm")).header["BUILDTIME"])
    newest = (work.build / "consul-docker-host" / "tree").stat().st_mtime
    assert epoch == newest
    # The members of the outer ar archive: name, seconds, owner, group, mode.
    data = artefact(work, ".deb").read_bytes()
    offset, stamps = 8, {}
    while offset < len(data):
        fields = data[offset : offset + 60].decode()
        stamps[fields[:16].strip().rstrip("/")] = (fields[16:28].strip(), fields[28:34].strip(), fields[34:40].strip())
        size = int(fields[48:58])
        offset += 60 + size + size % 2
    assert [name.partition(".")[0] for name in stamps] == ["debian-binary", "control", "data"]
    assert {owner for _, *owners in stamps.values() for owner in owners} == {"0"}
    assert {seconds for seconds, *_ in stamps.values()} <= {"0", str(epoch)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_artefact_names_the_place_of_its_building(builds: Builds, tmp_path: Path, backend: str) -> None:
    work = builds[backend]
    run(["dpkg-deb", "--raw-extract", str(artefact(work, ".deb")), str(tmp_path / "deb")])
    texts = {str(path): unpacked(path) for path in walk(tmp_path / "deb")}
    texts |= {path.name: path.read_bytes() for path in (work.dist / "cloud-init").iterdir()}
    texts["rpm header"] = run(["rpm", "-qp", "--xml", str(artefact(work, ".rpm"))]).stdout.encode()
    places = [str(work.root), os.uname().nodename, tempfile.gettempdir() + "/fpm-", tempfile.gettempdir() + "/nfpm-"]
    # As a word: a host's name may be short.
    sought = {place: re.compile(rb"(?<!\w)" + re.escape(place.encode()) + rb"(?!\w)") for place in places[:2]}
    sought |= {place: re.compile(re.escape(place.encode())) for place in places[2:]}
    assert not [f"{name}: {place}" for name, text in texts.items() for place in places if sought[place].search(text)]


def unpacked(path: Path) -> bytes:
    """Return what a file says: in compressed bytes a short name stands by chance, and a long one would not be seen."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_source_date_epoch_is_in_every_stamp(tmp_path: Path, cache: Path, backend: str) -> None:
    work = built(copy_checkout(tmp_path / "checkout"), backend, cache=cache, env={"SOURCE_DATE_EPOCH": "1500000000"})
    rpm = read_rpm(artefact(work, ".rpm"))
    assert rpm.header["BUILDTIME"] == "1500000000"
    assert {row["FILEMTIMES"] for row in rpm.files.values()} == {"1500000000"}
    listed = run(["dpkg-deb", "--contents", str(artefact(work, ".deb"))]).stdout.splitlines()
    assert {" ".join(line.split()[3:5]) for line in listed} == {"2017-07-14 02:40"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_building_again_and_again_gives_the_same(
    rich_builds: Builds, tmp_path: Path, cache: Path, backend: str, is_long: bool
) -> None:
    """The two packages are written at the same time, by threads in no fixed order."""
    work = copy_checkout(tmp_path / "checkout")
    for _ in range(10 if is_long else 1):
        shutil.rmtree(work.build, ignore_errors=True)
        built(work, backend, cache=cache)
        assert digests(work.dist) == digests(rich_builds[backend].dist)
