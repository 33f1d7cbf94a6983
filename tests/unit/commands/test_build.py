"""The tasks that build, render and clean, as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.commands.build import settings_path
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from tests.unit.kit import copy_checkout, inv, replace_in, snapshot


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return copy_checkout(tmp_path_factory.mktemp("tasks") / "checkout")


def test_settings_are_a_file_or_not_given(tmp_path: Path) -> None:
    assert settings_path("") is None
    (tmp_path / "my.toml").touch()
    assert settings_path(str(tmp_path / "my.toml")) == tmp_path / "my.toml"
    for wrong in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(BuildError, match=f"^--settings {wrong}: "):
            settings_path(str(wrong))


def test_rendering_shows_every_file_and_writes_no_package(work: Workspace) -> None:
    ended = inv(work, "render")
    assert ended.returncode == 0, ended.output
    lines = ended.stdout.splitlines()
    shown = {line.split()[-1] for line in lines if line.startswith("0")}
    tree = work.build / "consul-docker-host" / "tree"
    assert shown == {f"/{path}" for path in snapshot(tree)}
    assert any(line.startswith("0755") and line.endswith("/usr/bin/consul-docker-host") for line in lines)
    assert any("conffile" in line and line.endswith("/etc/consul.d/agent.json") for line in lines)
    assert not work.dist.exists()


def test_cleaning_removes_what_was_built_and_nothing_else(work: Workspace) -> None:
    before = snapshot(work.files)
    assert inv(work, "render").returncode == 0
    assert inv(work, "clean").returncode == 0
    assert not work.build.exists()
    assert not work.dist.exists()
    assert snapshot(work.files) == before
    assert inv(work, "clean").returncode == 0, "twice is no mistake"


def test_cleaning_leaves_what_was_published(work: Workspace) -> None:
    published = work.dist / "repository" / "apt" / "a.deb"
    published.parent.mkdir(parents=True)
    published.write_text("the only one")
    (work.dist / "b.deb").write_text("")
    (work.dist / "cloud-init").mkdir()
    assert inv(work, "clean").stdout == "kept dist/repository/: remove it yourself if no host uses it\n"
    assert [path.name for path in work.dist.iterdir()] == ["repository"]
    assert published.read_text() == "the only one"


def test_the_working_folder_does_not_matter(work: Workspace, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    ended = inv(work, "render", before=f"cd '{tmp_path}/elsewhere'")
    assert ended.returncode == 0, ended.output
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("settings", ["bad.toml", "none.toml"])
def test_a_wrong_backend_wrong_settings_and_a_wrong_description_are_reported_together(
    tmp_path: Path, settings: str
) -> None:
    work = copy_checkout(tmp_path / "checkout")
    (work.root / "bad.toml").write_text("[dns]\nttl = 9\n")
    replace_in(work.packaging / "packages/consul-docker-host.toml", 'section = "net"', 'secton = "net"')
    ended = inv(work, "build", "--backend=nope", f"--settings={settings}")
    assert ended.returncode == 1
    assert "--backend nope: unknown backend\n  use auto, fpm, nfpm\n" in ended.stderr
    assert ("bad.toml:2: dns.ttl: " if settings == "bad.toml" else "--settings none.toml: no such file") in ended.stderr
    assert "packages/consul-docker-host.toml:secton: " in ended.stderr
    assert not work.dist.exists()


def test_settings_may_come_from_a_pipe(work: Workspace) -> None:
    """A pipe can be read only once."""
    before = 'mkfifo pipe; printf "[dns]\\nttl = 9\\n" >pipe &'
    ended = inv(work, "build.cloud-init", "--settings=pipe", before=before)
    assert ended.returncode == 1
    assert "pipe:2: dns.ttl: " in ended.stderr
