"""A full disk costs no byte of a file that belongs to the host: it is told, and the next try does the work."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.conftest import COMMAND, FakeHost, needs_root

ENVIRONMENT = b"# by hand\nA=1\n" + b"B=%d\n" * 500
SERVERS = b"nameserver 10.0.0.1\nsearch a\n"
pytestmark = needs_root


@pytest.fixture
def etc(host: FakeHost) -> Iterator[Path]:
    """Put /etc on a file system of a few pages."""
    folder = host.root / "etc"
    kept = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    texts = {name: path.read_bytes() for name, path in kept.items()}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0755", "tests", str(folder)], check=True)
    try:
        for name, text in texts.items():
            host.write(f"etc/{name}", text)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free; the file that takes the room is returned."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return ballast


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.consul-docker-host-*")]


def assert_told_of(said: str, path: str) -> None:
    told = [line for line in said.splitlines() if path in line]
    assert len(told) == 1, said
    assert "No space left on device" in told[0]


def test_the_environment_stays_whole_and_is_written_later(host: FakeHost, etc: Path) -> None:
    path = host.write("etc/environment", ENVIRONMENT)
    path.chmod(0o640)
    ballast = fill(etc)

    assert_told_of(host.script("environment", "apply", code=1).stderr, "/etc/environment")

    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (ENVIRONMENT, 0o640)
    assert left_over(etc) == []
    ballast.unlink()
    host.script("environment", "apply")
    assert path.read_bytes().startswith(ENVIRONMENT)
    marked = path.read_bytes()
    ballast = fill(etc)

    assert_told_of(host.script("environment", "remove", code=1).stderr, "/etc/environment")

    assert path.read_bytes() == marked
    ballast.unlink()
    host.script("environment", "remove")
    assert path.read_bytes() == ENVIRONMENT


def test_resolv_conf_stays_whole_and_is_written_later(host: FakeHost, etc: Path) -> None:
    path = host.write("etc/resolv.conf", SERVERS)
    path.chmod(0o604)
    ballast = fill(etc)

    assert_told_of(host.script("resolver", "apply", code=1).stderr, "/etc/resolv.conf")

    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (SERVERS, 0o604)
    assert left_over(etc) == []
    ballast.unlink()
    host.script("resolver", "apply")
    assert path.read_bytes() == b"nameserver 169.254.1.1 # consul-docker-host\n" + SERVERS
    ballast = fill(etc)

    assert_told_of(host.script("resolver", "undo", code=1).stderr, "/etc/resolv.conf")

    ballast.unlink()
    host.script("resolver", "undo")
    assert path.read_bytes() == SERVERS


def test_without_a_copy_of_its_servers_resolv_conf_is_not_touched(host: FakeHost, tmp_path: Path) -> None:
    """DNS would go round in circles: the host asks dnsmasq, and dnsmasq knows nobody to ask."""
    path = host.write("etc/resolv.conf", SERVERS)
    run = host.root / "run/consul-docker-host"
    run.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tests", str(run)], check=True)
    try:
        fill(run)
        said = host.script("resolver", "apply", code=1).stderr
    finally:
        subprocess.run(["umount", "--lazy", str(run)], check=True)
    assert_told_of(said, "/run/consul-docker-host/resolv.conf")
    assert path.read_bytes() == SERVERS


def test_dockers_file_stays_whole_and_is_not_remembered_as_ours(host: FakeHost, etc: Path) -> None:
    original = b'{"mtu": 1400}'
    path = host.write("etc/docker/daemon.json", original)
    ballast = fill(etc)

    assert_told_of(host.call(COMMAND, "docker-dns", "on", code=1).stderr, "/etc/docker/daemon.json")

    assert path.read_bytes() == original
    assert left_over(etc) == []
    assert not (host.root / "var/lib/consul-docker-host").exists()
    ballast.unlink()
    host.call(COMMAND, "docker-dns", "on")
    ours = path.read_bytes()
    ballast = fill(etc)

    assert_told_of(host.call(COMMAND, "docker-dns", "off", code=1).stderr, "/etc/docker/daemon.json")

    assert path.read_bytes() == ours
    ballast.unlink()
    host.call(COMMAND, "docker-dns", "off")
    assert path.read_bytes() == original


def test_what_is_rendered_stays_whole_and_apply_tells_and_goes_on(host: FakeHost) -> None:
    run = host.root / "run/consul-docker-host"
    run.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tests", str(run)], check=True)
    try:
        host.call(COMMAND, "apply")
        before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        ballast = fill(run)
        host.configure("NODE_NAME=other\nUPSTREAMS=10.0.0.3\n")
        host.write("etc/environment", "A=1\n")

        said = host.call(COMMAND, "apply", code=1).stderr

        assert_told_of(said, "/run/consul-docker-host/consul.d/host.json")
        assert_told_of(said, "/run/consul-docker-host/dnsmasq.env")
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path != ballast} == before
        assert "CONSUL_HTTP_ADDR" in host.read("etc/environment")
        ballast.unlink()
        host.call(COMMAND, "apply")
        assert "other" in host.read("run/consul-docker-host/consul.d/host.json")
    finally:
        subprocess.run(["umount", "--lazy", str(run)], check=True)


def test_a_start_on_a_full_disk_takes_the_settings_it_had_but_never_half_of_them(host: FakeHost) -> None:
    run = host.root / "run/consul-docker-host"
    run.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tests", str(run)], check=True)
    try:
        ballast = fill(run)
        host.script("render", "consul", code=1)
        host.script("dnsmasq", code=1)
        ballast.unlink()
        host.script("render", "consul")
        host.script("dnsmasq")
        fill(run)
        host.configure("UPSTREAMS=10.0.0.3\n")
        host.script("render", "consul")
        assert_told_of(host.script("dnsmasq").stderr, "/run/consul-docker-host/dnsmasq.env")
    finally:
        subprocess.run(["umount", "--lazy", str(run)], check=True)


def mount_of_its_own(host: FakeHost, path: str, size: str) -> tuple[Path, Path]:
    """Make a file a mount of its own, as container engines do, from a small file system; return both."""
    source = host.root.parent / "engine"
    source.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tests", str(source)], check=True)
    (source / "file").write_bytes(ENVIRONMENT)
    target = host.write(path, b"")
    subprocess.run(["mount", "--bind", str(source / "file"), str(target)], check=True)
    return target, source


@pytest.mark.parametrize("is_full", [False, True])
def test_a_file_that_is_a_mount_is_written_only_where_there_is_room(host: FakeHost, *, is_full: bool) -> None:
    path, source = mount_of_its_own(host, "etc/environment", "32k")
    try:
        if is_full:
            fill(source)
        said = host.script("environment", "apply", code=int(is_full)).stderr
        text = path.read_bytes()
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
        subprocess.run(["umount", "--lazy", str(source)], check=True)
    if is_full:
        assert len(said.splitlines()) == 1
        assert text == ENVIRONMENT
    else:
        assert text.startswith(ENVIRONMENT)
        assert len(text) > len(ENVIRONMENT)
    assert left_over(host.root / "etc") == []


def test_a_file_that_cannot_be_replaced_and_is_no_mount_is_not_written_into(host: FakeHost) -> None:
    path = host.write("etc/environment", ENVIRONMENT)
    host.replace("mv", "echo mv: busy >&2; exit 1")

    said = host.script("environment", "apply", code=1).stderr

    assert said == "consul-docker-host: /etc/environment cannot be written and is unchanged: mv: busy\n"
    assert path.read_bytes() == ENVIRONMENT


@pytest.mark.parametrize("action", ["apply", "remove"])
def test_a_producer_that_fails_empties_no_file(host: FakeHost, action: str) -> None:
    path = host.write("etc/environment", ENVIRONMENT)
    host.script("environment", "apply")
    marked = path.read_bytes()
    host.configure("")
    host.replace("awk", "echo awk: killed >&2; exit 1")

    host.script("environment", action, code=1)

    assert path.read_bytes() == marked
