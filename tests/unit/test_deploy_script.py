"""The scripts that a deploy sends: what they do with a host, given arguments that no shell takes for its own words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import ROOT
from pyinfra_deploy import script
from tests.unit.kit import fake_program, path_with

PAYLOAD = ROOT / "files"
HARSH = "x=1; touch \"$HOME/ran\" 'y' $(touch ran) `touch ran`"


def on_host(folder: Path, name: str, *arguments: str, stdin: str = "") -> Result:
    """Run a script as pyinfra does: one command of a shell, with the fake programs first on the PATH."""
    environment = {"PATH": path_with(folder / "bin"), "HOME": str(folder), "CONSUL_DOCKER_HOST_ROOT": str(PAYLOAD)}
    return run(["sh", "-c", script.command(name, *arguments)], env=environment, stdin=stdin, cwd=folder, check=False)


def logging(folder: Path, name: str, body: str = "") -> None:
    fake_program(folder / "bin", name, f'echo "{name} $*" >>"$HOME/log"\n{body}')


def log_of(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines() if (folder / "log").exists() else []


def test_every_script_is_one_of_sh_or_python() -> None:
    scripts = sorted(script.FOLDER.glob("*.sh"))
    assert len(scripts) > 10
    assert all(path.read_text().startswith("#!/bin/sh\n") for path in scripts)
    assert {path.suffix for path in script.FOLDER.iterdir() if path.is_file()} == {".md", ".py", ".sh"}


def test_an_argument_reaches_its_script_as_it_is(tmp_path: Path) -> None:
    logging(tmp_path, "dnf")
    assert on_host(tmp_path, "install.sh", "rpm", HARSH).returncode == 0
    assert log_of(tmp_path) == [f"dnf --assumeyes install {HARSH}"]
    assert not (tmp_path / "ran").exists()


def test_lists_are_fetched_only_where_they_do_not_suffice(tmp_path: Path) -> None:
    logging(tmp_path, "dpkg")
    logging(tmp_path, "apt-get")
    assert on_host(tmp_path, "install.sh", "deb", "a=1").returncode == 0
    assert [line.split()[0] for line in log_of(tmp_path)] == ["dpkg", "apt-get"]
    assert log_of(tmp_path)[1].endswith("install --allow-downgrades a=1")
    (tmp_path / "log").unlink()
    logging(tmp_path, "apt-get", 'case $* in *update*) touch "$HOME/fetched" ;; esac; [ -e "$HOME/fetched" ]')
    assert on_host(tmp_path, "install.sh", "deb", "a=1").returncode == 0
    assert [line for line in log_of(tmp_path) if line == "apt-get update"]
    assert log_of(tmp_path)[-1].endswith("install --allow-downgrades a=1")


def test_an_install_that_never_succeeds_fails(tmp_path: Path) -> None:
    logging(tmp_path, "dpkg")
    logging(tmp_path, "apt-get", "exit 100")
    assert on_host(tmp_path, "install.sh", "deb", "a=1").returncode == 100
    logging(tmp_path, "dnf", "exit 1")
    assert on_host(tmp_path, "install.sh", "rpm", "a-1").returncode == 1
    assert log_of(tmp_path)[-1] == "dnf --assumeyes --refresh install a-1"


@pytest.mark.parametrize(
    ("family", "action", "last"),
    [
        ("deb", "remove", "remove consul-docker-host"),
        ("deb", "purge", "purge consul-docker-host"),
        ("rpm", "purge", "remove consul-docker-host"),
    ],
)
def test_a_removal_leaves_what_the_package_depends_on(tmp_path: Path, family: str, action: str, last: str) -> None:
    for name in ("dpkg", "apt-get", "dnf"):
        logging(tmp_path, name)
    assert on_host(tmp_path, "remove.sh", family, action, "consul-docker-host").returncode == 0
    assert log_of(tmp_path)[-1].endswith(last)
    assert "autoremove" not in " ".join(log_of(tmp_path))
    assert (family == "deb") is any(line.startswith("dpkg --configure") for line in log_of(tmp_path))


@pytest.mark.parametrize(
    ("manager", "programs", "printed"),
    [
        ("", {"dnf": "", "rpm": "echo 0.1.0-1"}, ["rpm", "0.1.0-1"]),
        ("rpm", {"rpm": "echo package is not installed; exit 1"}, ["rpm"]),
        ("deb", {"dnf": "", "dpkg-query": "echo installed 0.1.0"}, ["deb", "0.1.0"]),
        ("deb", {"dpkg-query": "echo half-installed 0.1.0"}, ["deb"]),
        ("deb", {"dpkg-query": "exit 1"}, ["deb"]),
    ],
)
def test_family_and_version_are_printed(
    tmp_path: Path, manager: str, programs: dict[str, str], printed: list[str]
) -> None:
    for name, body in programs.items():
        fake_program(tmp_path / "bin", name, body)
    assert on_host(tmp_path, "installed.sh", manager, "consul-docker-host").stdout.splitlines() == printed


def test_a_secret_is_written_in_one_step_for_its_owner_alone(tmp_path: Path) -> None:
    user = f"{os.getuid()}:{os.getgid()}"
    target = tmp_path / "a b" / "secret"
    done = on_host(tmp_path, "write.sh", str(target), "600", user, stdin="secret\n")
    assert (done.returncode, done.output) == (0, "")
    assert target.read_text() == "secret\n"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["secret"]


def test_settings_keep_their_mode(tmp_path: Path) -> None:
    path = tmp_path / "settings"
    assert on_host(tmp_path, "settings-read.sh", str(path)).output == ""
    assert on_host(tmp_path, "settings-write.sh", str(path), stdin="A=1\n").returncode == 0
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o640)
    assert on_host(tmp_path, "settings-write.sh", str(path), stdin="A=2\n").returncode == 0
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("A=2\n", 0o640)
    assert on_host(tmp_path, "settings-read.sh", str(path)).stdout == "A=2\n"


def test_a_file_that_did_not_arrive_as_it_was_sent_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    digest = run(["sha256sum", str(tmp_path / "file")]).stdout.split()[0]
    assert on_host(tmp_path, "received.sh", str(tmp_path / "file"), digest).returncode == 0
    assert on_host(tmp_path, "received.sh", str(tmp_path / "file"), "0" * 64).returncode != 0


def test_a_full_disk_is_reported_with_what_is_free(tmp_path: Path) -> None:
    assert on_host(tmp_path, "room.sh", str(tmp_path / "cache"), "1").returncode == 0
    full = on_host(tmp_path, "room.sh", str(tmp_path / "cache"), str(2**50))
    assert full.returncode == 1
    assert f"no space left in {tmp_path}/cache: " in full.stderr


def test_a_file_is_known_by_mode_owner_and_content(tmp_path: Path) -> None:
    path = tmp_path / "a b"
    path.write_text("a")
    path.chmod(0o640)
    (line,) = [line for line in on_host(tmp_path, "placed.sh", str(path), "none").stdout.splitlines() if "a b" in line]
    assert line.startswith(f"{path}|640 ")
    assert line.endswith(" ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")


def test_what_is_newer_than_the_mark_is_not_applied(tmp_path: Path) -> None:
    mark, file = tmp_path / "mark", tmp_path / "file"
    file.touch()
    assert on_host(tmp_path, "applied.sh", str(mark), str(file)).stdout.splitlines() == ["asked", str(mark)]
    mark.touch()
    os.utime(file, (1, 1))
    assert on_host(tmp_path, "applied.sh", str(mark), str(file)).stdout.splitlines() == ["asked"]
    os.utime(mark, (0, 0))
    assert on_host(tmp_path, "applied.sh", str(mark), str(file)).stdout.splitlines() == ["asked", str(file)]


LINKS = '{"links": [{"name": "dns", "state": "%s", "text": "no answer", "remedy": "restart it"}]}'


@pytest.mark.parametrize(
    ("state", "may", "must", "is_healthy"),
    [
        ("ok", "[]", "[]", True),
        ("broken", "[]", "[]", False),
        ("broken", '["dns"]', "[]", True),
        ("warn", "[]", "[]", True),
        ("warn", "[]", '["dns"]', False),
    ],
)
def test_a_host_is_waited_for_until_its_check_finds_nothing_broken(
    tmp_path: Path, state: str, may: str, must: str, is_healthy: bool
) -> None:
    fake_program(tmp_path / "bin", "consul-docker-host", f"echo '{LINKS % state}'")
    fake_program(tmp_path / "bin", "systemctl", "")
    done = on_host(tmp_path, "healthy.py", "0", may, must)
    assert done.returncode == (0 if is_healthy else 1)
    assert done.stderr == ("" if is_healthy else "dns: no answer -> restart it\n")


def test_a_restart_that_does_not_end_is_not_health(tmp_path: Path) -> None:
    fake_program(tmp_path / "bin", "consul-docker-host", f"echo '{LINKS % 'ok'}'")
    fake_program(tmp_path / "bin", "systemctl", "echo 7 consul.service restart running")
    assert on_host(tmp_path, "healthy.py", "0", "[]", "[]").stderr == "a restart does not finish\n"
