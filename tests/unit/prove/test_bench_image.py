"""The image benchmark: the same packages beside one another, and figures that are compared with their goals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove import bench_image
from tests.unit.image.test_disk import REQUEST
from tests.unit.kit import copy_checkout


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return what is run; nothing is."""
    found: list[list[str]] = []
    monkeypatch.setattr(bench_image, "run", lambda argv, **_: found.append(list(argv)))
    return found


def test_bare_mmdebstrap_begins_with_an_empty_directory(tmp_path: Path, calls: list[list[str]]) -> None:
    target = tmp_path / "bare"
    target.mkdir()
    (target / "left").touch()
    assert bench_image.bare(["mmdebstrap", "bookworm"], target) >= 0
    assert not target.exists()
    assert calls == [["mmdebstrap", "bookworm"]]


def test_a_bake_is_the_whole_command_as_a_user_types_it(tmp_path: Path, calls: list[list[str]]) -> None:
    assert bench_image.bake_image(tmp_path, ["--fresh"]) >= 0
    assert calls[0][1:] == ["-m", "invoke", "image", "--fresh"]


@pytest.mark.parametrize(
    ("medians", "verdicts"),
    [((100.0, 120.0, 15.0), ["met", "met"]), ((100.0, 140.0, 25.0), ["missed", "missed"])],
)
def test_figures_are_shown_with_their_goals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    calls: list[list[str]],
    medians: Sequence[float],
    verdicts: list[str],
) -> None:
    deb = tmp_path / "consul-docker-host_1_all.deb"
    deb.touch()
    request = dataclasses.replace(REQUEST, debs=(deb,))
    monkeypatch.setattr(bench_image, "read_request", lambda *_, **__: request)
    monkeypatch.setattr(bench_image, "with_packages", lambda *_: request)
    monkeypatch.setattr(bench_image, "check_machine", lambda *_: None)
    seen: dict[str, Any] = {}

    def measure(jobs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
        seen["rounds"] = rounds
        for job in jobs.values():
            job()
        return dict(zip(jobs, medians, strict=True))

    monkeypatch.setattr(bench_image, "measure", measure)
    work = copy_checkout(tmp_path / "checkout")
    work.dist.mkdir()
    bench_image.image(Workspace(root=work.root), suite="bookworm", given="consul=x.deb", rounds=2)
    printed = capsys.readouterr().out.splitlines()
    assert [word for line in printed for word in line.split() if word in {"met", "missed"}] == verdicts
    assert seen["rounds"] == 2
    assert calls[0][0] == "mmdebstrap"
    assert ("--fresh" in calls[1], "--fresh" in calls[2]) == (True, False)
    assert all("--no-proof" in call for call in calls[1:])
    assert list(work.dist.iterdir()) == []
