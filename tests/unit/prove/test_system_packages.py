"""System packages: read from one list, installed only where that is possible, else told as a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.prove.suites import SUITES
from consul_docker_host.prove.system_packages import SystemPackage, ensure_packages, read_packages
from tests.unit.kit import DEFAULTS, fake_program, path_with

THERE = SystemPackage(name="coreutils", probe="ls", purpose="lists", suites=("unit",))
FILE = SystemPackage(name="base-files", probe="/etc/os-release", purpose="names the system", suites=("unit",))


@pytest.fixture
def missing(tmp_path: Path) -> SystemPackage:
    return SystemPackage(name="thing", probe=str(tmp_path / "thing"), purpose="does a thing", suites=("unit",))


def test_the_list_names_each_package_once_with_its_purpose() -> None:
    packages = read_packages(DEFAULTS.parent / "system-packages.toml")
    assert len({package.name for package in packages}) == len(packages) > 5
    assert all(package.purpose for package in packages)
    known = {*SUITES, "verify"}
    assert not [package.name for package in packages if not package.suites or set(package.suites) - known]
    assert {"ruby", "rpm", "lintian", "rpmlint", "systemd", "nftables"} <= {package.name for package in packages}


def test_a_suite_takes_its_own_packages_alone(missing: SystemPackage) -> None:
    assert missing.is_needed(("install", "unit"))
    assert not missing.is_needed(("install",))


def test_what_is_there_is_not_installed() -> None:
    ensure_packages((THERE, FILE), is_root=True, apt=lambda: pytest.fail("nothing to install"))


def test_an_ordinary_user_is_told_the_one_command(missing: SystemPackage) -> None:
    with pytest.raises(BuildError) as caught:
        ensure_packages((THERE, missing), is_root=False, apt=lambda: True)
    assert str(caught.value) == (
        "not installed:\n    thing: does a thing\n  run: sudo apt-get install -y --no-install-recommends thing"
    )


def test_another_distribution_is_told_what_is_missing(missing: SystemPackage) -> None:
    with pytest.raises(
        BuildError, match="neither Debian nor Ubuntu:\n    thing: does a thing\n  install them yourself"
    ):
        ensure_packages((missing,), is_root=True, apt=lambda: False)


APT = 'echo "$DEBIAN_FRONTEND $*" >>"{log}"\ncase $1 in install) {install} ;; esac'


def test_root_installs_what_is_missing_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: SystemPackage, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    fake_program(tmp_path / "bin", "apt-get", APT.format(log=log, install=f"touch {missing.probe}"))
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    ensure_packages((THERE, missing), is_root=True)
    assert log.read_text().splitlines() == [
        "noninteractive update -qq",
        "noninteractive install -y --no-install-recommends thing",
    ]
    assert capsys.readouterr().out.splitlines()[0] == "apt-get install thing (does a thing)"


def test_a_package_that_does_not_bring_its_program_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: SystemPackage
) -> None:
    fake_program(tmp_path / "bin", "apt-get", APT.format(log="/dev/null", install=":"))
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    with pytest.raises(BuildError, match="still missing after apt-get install: thing"):
        ensure_packages((missing,), is_root=True)


def test_a_failing_apt_is_told_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: SystemPackage
) -> None:
    fake_program(tmp_path / "bin", "apt-get", "echo no mirror >&2; exit 100")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    with pytest.raises(BuildError, match=r"(?s)apt-get exited with 100: apt-get update -qq.*no mirror"):
        ensure_packages((missing,), is_root=True)
