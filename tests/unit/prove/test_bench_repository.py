"""The repository's benchmark: both sides really add a package, and the goals are told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.package.archive_sources import KEY_NAME
from consul_docker_host.prove import bench_repository
from consul_docker_host.prove.bench_build import copy_project


def test_each_job_adds_one_package(tmp_path: Path, archive_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_repository, "PACKAGES", 3)
    copy = tmp_path / "copy"
    copy_project(ROOT, copy)
    shutil.copy(archive_key / KEY_NAME, copy / "archive.asc")
    (copy / "bench.toml").write_text(bench_repository.SETTINGS)
    archive = bench_repository.fill(copy, tmp_path, archive_key)
    jobs = bench_repository.jobs(copy, archive, archive_key)
    seconds = {what: job() for what, job in jobs.items()}
    assert all(value > 0 for value in seconds.values())
    ours = (copy / "dist/repository/apt/dists/stable/main/binary-amd64/Packages").read_text()
    theirs = (archive / "dists/stable/main/binary-amd64/Packages").read_text()
    assert ours.count("Package: bench") == 3 + 2
    assert theirs.count("Package: bench") == 3 + 1
    assert "InRelease" not in (archive / "dists/stable/Release").read_text()


def test_the_goals_are_told_by_name() -> None:
    met = bench_repository.ratios({"own": 0.4, "command": 0.9, "ftparchive": 0.8})
    assert [ratio.row()[2] for ratio in met] == ["met", "met", "met"]
    missed = bench_repository.ratios({"own": 0.6, "command": 2.0, "ftparchive": 0.5})
    assert [ratio.row()[2] for ratio in missed] == ["missed", "missed", "missed"]


def test_without_apt_ftparchive_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_repository, "find_program", lambda _: None)
    with pytest.raises(BuildError, match=r"apt-ftparchive is not installed.*\n  apt-get install apt-utils"):
        bench_repository.repository(Workspace(root=tmp_path), rounds=1)
