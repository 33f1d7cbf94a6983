"""fpm's arguments and surroundings: complete scripts, no templates of its own, nothing of the caller's environment."""

from __future__ import annotations

import itertools
import json
import os
import shlex
from pathlib import Path

import pytest

from consul_docker_host.backends.fpm import FpmBackend, fpm_arguments, stage
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.programs import Fpm
from consul_docker_host.package.description import FORMATS, Format
from consul_docker_host.package.plan import Plan
from tests.unit.kit import fake_program, snapshot, walk

# These make fpm wrap the scripts in templates that fail on abort-upgrade, enable disabled units again and lose the
# purge script.
FORBIDDEN = ("--deb-systemd", "--after-upgrade", "--before-upgrade", "--deb-after-purge", "--template-scripts")
# Writes argv and environment as JSON beside the package that it pretends to write.
FAKE = """
out=
for word; do [ -z "$next" ] || out=$word; next=; [ "$word" != --package ] || next=1; done
{ env -0; } >"$out.env"
for word; do printf '%s\\0' "$word"; done >"$out.argv"
pwd >"$out.pwd"
umask >"$out.umask"
: >"$out"
"""


def arguments(plan: Plan, package_format: Format) -> list[str]:
    return fpm_arguments(plan, package_format, Path("/work folder"), Path("/out/x"))


def after(words: list[str], option: str) -> list[str]:
    return [value for name, value in itertools.pairwise(words) if name == option]


@pytest.mark.parametrize("package_format", FORMATS)
def test_no_option_makes_fpm_write_scripts_of_its_own(plan: Plan, package_format: Format) -> None:
    words = arguments(plan, package_format)
    assert not [word for word in words if word.startswith(FORBIDDEN)]
    for option in ("--after-install", "--before-remove", "--after-remove"):
        (script,) = after(words, option)
        assert script.startswith("/work folder/")


@pytest.mark.parametrize("package_format", FORMATS)
def test_the_arguments_depend_on_the_plan_alone(plan: Plan, package_format: Format) -> None:
    assert arguments(plan, package_format) == arguments(plan, package_format)
    assert all(isinstance(word, str) and "\0" not in word for word in arguments(plan, package_format))
    assert shlex.split(shlex.join(arguments(plan, package_format))) == arguments(plan, package_format)


@pytest.mark.parametrize("package_format", FORMATS)
def test_every_conffile_is_named_and_no_other_file(plan: Plan, package_format: Format) -> None:
    named = after(arguments(plan, package_format), "--config-files")
    assert named == [f"/{entry.path}" for entry in plan.entries_for(package_format) if entry.is_conffile]


def test_a_deb_is_given_our_own_control_file_and_no_defaults(plan: Plan) -> None:
    words = arguments(plan, "deb")
    assert after(words, "--deb-custom-control") == ["/work folder/control"]
    assert "--deb-no-default-config-files" in words
    assert (after(words, "--deb-user"), after(words, "--deb-group")) == (["root"], ["root"])
    assert len(after(words, "--deb-interest-noawait")) == len(plan.triggers()) > 0


def test_an_rpm_is_reproducible_and_has_no_weak_digest(plan: Plan) -> None:
    words = arguments(plan, "rpm")
    assert after(words, "--rpm-digest") == ["sha256"]
    defines = after(words, "--rpm-rpmbuild-define")
    assert "_buildhost reproducible" in defines
    assert {"use_source_date_epoch_as_buildtime 1", "clamp_mtime_to_source_date_epoch 1"} <= set(defines)
    assert after(words, "--depends") == list(plan.relations.named("depends", "rpm"))


def test_the_staged_tree_has_the_plan_s_modes_and_times(plan: Plan, tmp_path: Path) -> None:
    stage(plan, "rpm", tmp_path / "root")
    entries = {entry.path: (entry.sha256, entry.mode, plan.epoch * 10**9) for entry in plan.entries_for("rpm")}
    assert snapshot(tmp_path / "root") == entries
    stage(plan, "deb", tmp_path / "deb")
    own = {str(path.relative_to(tmp_path / "deb")) for path in walk(tmp_path / "deb")}
    assert {entry.path for entry in plan.entries_for("deb")} - own == {f"usr/share/doc/{plan.name}/changelog.gz"}


def test_the_staged_folders_have_no_mode_of_the_caller_s_umask(plan: Plan, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        stage(plan, "deb", tmp_path / "root")
    finally:
        os.umask(before)
    folders = [path for path in [tmp_path / "root", *(tmp_path / "root").rglob("*")] if path.is_dir()]
    assert {path.stat().st_mode & 0o7777 for path in folders} == {0o755}


@pytest.fixture
def backend(tmp_path: Path) -> FpmBackend:
    program = fake_program(tmp_path / "bin", "fpm", FAKE)
    return FpmBackend(fpm=Fpm(program=program, environment={"GEM_HOME": "/gems", "GEM_PATH": "/gems"}))


@pytest.mark.parametrize("package_format", FORMATS)
def test_fpm_sees_nothing_of_the_caller_s_environment(
    plan: Plan, backend: FpmBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package_format: Format
) -> None:
    for name in ("USER", "LOGNAME", "DEBEMAIL", "RUBYOPT", "LC_TIME", "http_proxy"):
        monkeypatch.setenv(name, "leaks")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("HOME", "/home/somebody")
    backend.build(plan, package_format, tmp_path / "x")
    pairs = dict(pair.split("=", 1) for pair in (tmp_path / "x.env").read_text().split("\0") if pair)
    # A shell sets these three by itself.
    assert set(pairs) - {"PWD", "OLDPWD", "_", "XDG_CACHE_HOME"} == {
        *("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR", "SOURCE_DATE_EPOCH", "GEM_HOME", "GEM_PATH"),
    }
    assert pairs["SOURCE_DATE_EPOCH"] == str(plan.epoch)
    assert (pairs["TZ"], pairs["LC_ALL"]) == ("UTC", "C.UTF-8")
    # ~/.rpmmacros and fpm's working folder: both in the folder that ends with the build.
    assert pairs["HOME"] == pairs["TMPDIR"] != "/home/somebody"
    assert not Path(pairs["HOME"]).exists()
    assert (tmp_path / "x.umask").read_text() == "0022\n"
    argv = (tmp_path / "x.argv").read_text().split("\0")[:-1]
    assert argv == fpm_arguments(plan, package_format, Path(pairs["HOME"]), tmp_path / "x")
    assert "leaks" not in json.dumps([argv, pairs])


def test_rpmbuild_that_is_missing_is_told_before_fpm_starts(
    plan: Plan, backend: FpmBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("consul_docker_host.core.run.SYSTEM_PATH", "/nowhere")
    with pytest.raises(BuildError) as caught:
        backend.build(plan, "rpm", tmp_path / "x")
    assert str(caught.value) == (
        "rpmbuild is not installed, and fpm needs it\n  apt-get install rpm, or --backend nfpm"
    )
    assert not (tmp_path / "x.argv").exists()
