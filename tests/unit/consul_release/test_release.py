"""Consul's packages: made of what HashiCorp has signed and of nothing else, told apart from what may be published."""

from __future__ import annotations

import functools
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import rpmfile

from consul_docker_host.consul_release.release import build_packages, package_of
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.archive_sources import KEY_NAME
from consul_docker_host.repository.signing import signer
from consul_docker_host.settings.load import project_settings
from tests.unit.kit import inv, snapshot

VERSION = "1.22.7"
ARCHIVE = f"consul_{VERSION}_linux_amd64.zip"
SUMS = f"consul_{VERSION}_SHA256SUMS"
PROGRAM = b"\x7fELF" + bytes(range(256)) * 40


@pytest.fixture
def release(tmp_path: Path, archive_key: Path) -> Path:
    """Return a folder with a release as HashiCorp publishes one, signed by the tests' key."""
    folder = tmp_path / "release"
    folder.mkdir()
    for name in (ARCHIVE, ARCHIVE.replace("amd64", "arm64")):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr(zipfile.ZipInfo("consul", (2026, 3, 4, 5, 6, 8)), PROGRAM)
            archive.writestr(zipfile.ZipInfo("LICENSE.txt", (2026, 3, 4, 5, 6, 8)), "BUSL\n")
    sign(folder, archive_key)
    return folder


def sign(folder: Path, key: Path) -> None:
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.glob("*.zip")))
    (folder / SUMS).write_text("".join(lines))
    with signer((key / KEY_NAME).read_text(), "x", str(key)) as signing:
        (folder / f"{SUMS}.sig").write_text(signing.signature((folder / SUMS).read_text()))


def build(work: Workspace, release: Path, key: Path, *, name: str = ARCHIVE, version: str = VERSION) -> None:
    chosen = project_settings(work)
    build_packages(work, chosen, version=version, archive=str(release / name), key=str(key / KEY_NAME), backend="nfpm")


def files_of_rpm(path: Path) -> dict[str, bytes]:
    with rpmfile.open(path) as rpm:
        return {
            f"/{entry.name.lstrip('./')}": rpm.extractfile(entry).read()
            for entry in rpm.getmembers()
            if not entry.isdir
        }


def test_the_packages_have_hashicorp_s_layout_and_the_very_program(
    work: Workspace, release: Path, archive_key: Path, tmp_path: Path
) -> None:
    build(work, release, archive_key)
    folder = work.dist / "consul"
    assert {path.name for path in folder.iterdir()} == {"consul_1.22.7-1_amd64.deb", "consul-1.22.7-1.x86_64.rpm"}
    deb = folder / "consul_1.22.7-1_amd64.deb"
    run(["dpkg-deb", "--raw-extract", str(deb), str(tmp_path / "deb")])
    assert (tmp_path / "deb/usr/bin/consul").read_bytes() == PROGRAM
    assert (tmp_path / "deb/usr/bin/consul").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "deb/DEBIAN/conffiles").read_text().split() == [
        "/etc/consul.d/consul.env",
        "/etc/consul.d/consul.hcl",
    ]
    fields = run(["dpkg-deb", "--field", str(deb), "Version", "Architecture"]).stdout
    assert fields == "Version: 1.22.7-1\nArchitecture: amd64\n"
    assert int((tmp_path / "deb/usr/bin/consul").stat().st_mtime) == 1772582400, "the day of the release"
    rpm = files_of_rpm(folder / "consul-1.22.7-1.x86_64.rpm")
    assert rpm["/usr/bin/consul"] == PROGRAM
    for path in (
        "/etc/consul.d/consul.hcl",
        "/usr/lib/systemd/system/consul.service",
        "/usr/share/doc/consul/LICENSE.txt",
    ):
        assert rpm[path] == (tmp_path / "deb" / path.lstrip("/")).read_bytes()


def test_the_same_release_gives_the_same_bytes(work: Workspace, release: Path, archive_key: Path) -> None:
    build(work, release, archive_key)
    before = {name: state[0] for name, state in snapshot(work.dist / "consul").items()}
    build(work, release, archive_key)
    assert {name: state[0] for name, state in snapshot(work.dist / "consul").items()} == before


def test_the_archive_s_architecture_is_the_package_s(work: Workspace, release: Path, archive_key: Path) -> None:
    build(work, release, archive_key, name=ARCHIVE.replace("amd64", "arm64"))
    names = {path.name for path in (work.dist / "consul").iterdir()}
    assert names == {"consul_1.22.7-1_arm64.deb", "consul-1.22.7-1.aarch64.rpm"}


@pytest.fixture
def address(release: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(release))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_address_is_fetched_with_what_vouches_for_it(
    work: Workspace, address: str, archive_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    key = str(archive_key / KEY_NAME)
    build_packages(
        work, project_settings(work), version=VERSION, archive=f"{address}/{ARCHIVE}", key=key, backend="nfpm"
    )
    assert len(list((work.dist / "consul").iterdir())) == 2
    with pytest.raises(
        BuildError,
        match=r"consul_1\.0\.0_SHA256SUMS: HTTP Error 404.*\n  without network access: download the files elsewhere",
    ):
        build_packages(
            work,
            project_settings(work),
            version="1.0.0",
            archive=f"{address}/consul_1.0.0_linux_amd64.zip",
            key=key,
            backend="nfpm",
        )


def damage_archive(release: Path) -> None:
    with (release / ARCHIVE).open("ab") as file:
        file.write(b"x")


def damage_sums(release: Path) -> None:
    damage_archive(release)
    (release / SUMS).write_text(f"{hashlib.sha256((release / ARCHIVE).read_bytes()).hexdigest()}  {ARCHIVE}\n")


def take_sums(release: Path) -> None:
    (release / SUMS).unlink()


def take_signature(release: Path) -> None:
    (release / f"{SUMS}.sig").unlink()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (damage_archive, r"its SHA-256 is [0-9a-f]{64}, but consul_1\.22\.7_SHA256SUMS lists [0-9a-f]{64}\n  fetch"),
        (damage_sums, r"SHA256SUMS: is not signed by a key in "),
        (take_sums, r"SHA256SUMS: no such file\n  put the archive, consul_VERSION"),
        (take_signature, r"SHA256SUMS\.sig: no such file\n  put the archive, consul_VERSION"),
    ],
)
def test_what_hashicorp_has_not_signed_becomes_no_package(
    work: Workspace, release: Path, archive_key: Path, change: object, told: str
) -> None:
    change(release)  # type: ignore[operator]
    with pytest.raises(BuildError, match=told):
        build(work, release, archive_key)
    assert not (work.dist / "consul").exists()


def test_an_archive_that_the_sums_do_not_know_is_refused(work: Workspace, release: Path, archive_key: Path) -> None:
    (release / ARCHIVE).rename(release.parent / ARCHIVE)
    sign(release, archive_key)
    (release.parent / ARCHIVE).rename(release / ARCHIVE)
    with pytest.raises(BuildError, match=rf"has no line for {ARCHIVE}"):
        build(work, release, archive_key)


def test_an_archive_without_consul_is_told(work: Workspace, release: Path, archive_key: Path) -> None:
    with zipfile.ZipFile(release / ARCHIVE, "w") as archive:
        archive.writestr("nomad", b"")
    sign(release, archive_key)
    with pytest.raises(
        BuildError,
        match=r"There is no item named 'consul'.*\n  download the archive again: it must contain the program consul",
    ):
        build(work, release, archive_key)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--hashicorp-key", "tasks.py"), "--version : is not a Consul version\n  for example --version 1.22.7\n"),
        (("--version", "latest", "--hashicorp-key", "tasks.py"), "--version latest: is not a Consul version\n"),
        (("--version", VERSION), "--hashicorp-key: is missing; it is needed to verify the archive's signature\n"),
        (("--version", VERSION, "--hashicorp-key", "none"), "--hashicorp-key none: no such file"),
        (
            ("--version", VERSION, "--hashicorp-key", "tasks.py", "--archive", "consul_1.0.0_linux_amd64.zip"),
            "--archive consul_1.0.0_linux_amd64.zip: is not the archive of Consul 1.22.7 for Linux\n",
        ),
    ],
)
def test_a_mistake_is_one_message_with_its_remedy(work: Workspace, options: tuple[str, ...], told: str) -> None:
    ended = inv(work, "consul", "--backend", "nfpm", *options)
    assert ended.returncode == 1
    assert ended.stderr.startswith(told), ended.output
    assert len(ended.stderr.splitlines()) == 2


def machine_code(number: int) -> bytes:
    return b"\x7fELF" + bytes(14) + number.to_bytes(2, "little")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (machine_code(8), "is built for another architecture\n  use one for "),
        (b"\x7fELF", "is built for another architecture\n"),
        (
            Path("/bin/true").read_bytes(),
            "does not report which version of Consul it is: nothing\n  `consul version` must print a line such as",
        ),
    ],
    ids=["of MIPS", "cut short", "another program"],
)
def test_a_program_that_is_no_consul_of_this_machine_s_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    program = tmp_path / "consul"
    program.write_bytes(content)
    program.chmod(0o755)
    with pytest.raises(BuildError) as caught:
        package_of(Workspace(root=tmp_path), project_settings(Workspace()), program, tmp_path)
    assert str(caught.value).startswith(f"{program}: {told}")
