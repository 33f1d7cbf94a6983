"""Every judge is asked, each must be silent, and all that they say is told at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.backends import choose_backend
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import Result
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.plan import Plan
from consul_docker_host.settings.load import project_settings
from consul_docker_host.verify import packages
from tests.unit.kit import fake_program, path_with, plan_of

BUILDERS = {name: choose_backend(name).backend.build for name in ("nfpm",)}


def result(code: int, said: str = "") -> Result:
    return Result(argv=("x",), returncode=code, stdout=said, stderr="")


@pytest.fixture
def _no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the packages out: tests/package judges them."""
    monkeypatch.setattr(packages, "packages", lambda *_: iter([result(0)]))


@pytest.fixture
def with_consul(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(tmp_path / "bin", "consul", "")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))


@pytest.mark.usefixtures("_no_packages", "with_consul")
def test_a_sound_tree_passes_every_judge(work: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    packages.verify(work, project_settings(work), builders=BUILDERS)
    assert [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()] == ["accepted"] * 6


@pytest.mark.usefixtures("_no_packages")
def test_a_judge_that_is_missing_is_a_fault_here(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("consul_docker_host.core.run.SYSTEM_PATH", str(tmp_path))
    with pytest.raises(BuildError) as caught:
        packages.verify(work, project_settings(work), builders=BUILDERS)
    assert "systemd-analyze: not installed" in str(caught.value)
    assert "dnsmasq: not installed" in str(caught.value)
    assert "setup.system" in caught.value.hint


@pytest.mark.usefixtures("with_consul")
def test_what_any_judge_says_is_told_after_all_were_asked(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(*_: object) -> Iterator[Result]:
        yield result(2, "E: one\n")
        yield result(0, "fine")
        yield result(1, "W: two\n")

    monkeypatch.setattr(packages, "packages", judged)
    monkeypatch.setattr(packages, "shellcheck", lambda _: iter([result(1, "SC1000")]))
    with pytest.raises(BuildError) as caught:
        packages.verify(work, project_settings(work), builders=BUILDERS)
    assert caught.value.message == "SC1000\nE: one\nW: two"


@pytest.mark.usefixtures("with_consul")
def test_every_validator_runs_on_a_faulty_tree(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> Iterator[Result]:
        yield result(2, "E: one\n")
        raise BuildError("nfpm: cannot write")

    (work.files / "etc/consul.d/agent.json.j2").write_text("{\n")
    monkeypatch.setattr(packages, "packages", failing)
    monkeypatch.setattr(packages, "shellcheck", lambda _: iter([result(1, "SC1000")]))
    with pytest.raises(BuildError) as caught:
        packages.verify(work, project_settings(work), builders=BUILDERS)
    lines = caught.value.message.splitlines()
    assert lines[0].startswith("/etc/consul.d/agent.json:")
    assert lines[-3:] == ["SC1000", "E: one", "nfpm: cannot write"]


def test_shellcheck_judges_every_script(work: Workspace) -> None:
    script = work.files / "usr/lib/consul-docker-host/guard"
    assert [found.returncode for found in packages.shellcheck(plan_of(work))] == [0]
    script.write_text(script.read_text().replace("set -eu\n", "set -eu\nrm -rf $HOME/$1/*\n", 1))
    (work.packaging / "scripts/rpm/preun").write_text("#!/bin/sh\necho $1\n")
    (found,) = packages.shellcheck(plan_of(work))
    assert found.returncode == 1
    assert "usr/lib/consul-docker-host/guard line " in found.output
    assert "scripts/rpm/preun line " in found.output


def test_each_package_has_its_own_judge_and_warnings_count(plan: Plan) -> None:
    work = Workspace()
    deb = packages.validator_command(work, Path("x.deb"))
    assert deb[0] == "lintian"
    assert deb[-3:] == ["--fail-on", "error,warning,pedantic", "x.deb"]
    rpm = packages.validator_command(work, Path("x.rpm"))
    assert (rpm[0], "--strict" in rpm, rpm[-1]) == ("rpmlint", True, "x.rpm")
