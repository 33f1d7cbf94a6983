"""The confext: the tree's /etc as a squashfs, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.package.plan import Plan
from consul_docker_host.snippets.confext import write_confext


def test_the_image_has_the_configuration_alone_with_its_modes(plan: Plan, tmp_path: Path) -> None:
    image = write_confext(plan, tmp_path)
    assert image == tmp_path / "consul-docker-host.raw"
    assert list(tmp_path.iterdir()) == [image], "the directory that it is packed from is removed"
    run(["unsquashfs", "-quiet", "-no-progress", "-dest", str(tmp_path / "root"), str(image)])
    files = {
        str(path.relative_to(tmp_path / "root")): path for path in (tmp_path / "root").rglob("*") if path.is_file()
    }
    release = "etc/extension-release.d/extension-release.consul-docker-host"
    assert files.pop(release).read_text() == "ID=_any\n"
    entries = {entry.path: entry for entry in plan.entries if entry.path.startswith("etc/")}
    assert set(files) == set(entries)
    for path, entry in entries.items():
        assert files[path].read_bytes() == (plan.tree / path).read_bytes()
        assert files[path].stat().st_mode & 0o7777 == entry.mode


def test_the_same_tree_gives_the_same_bytes(plan: Plan, tmp_path: Path) -> None:
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    first, second = (write_confext(plan, folder).read_bytes() for folder in folders)
    assert first == second


def test_without_mksquashfs_the_package_is_named(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("consul_docker_host.core.run.SYSTEM_PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"mksquashfs: .*\n  apt-get install squashfs-tools"):
        write_confext(plan, tmp_path)
