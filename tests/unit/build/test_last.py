"""What is remembered of the last build: a key of all inputs, and artefacts that must still be what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from consul_docker_host.build import last
from consul_docker_host.core.workspace import Workspace, file_digest
from consul_docker_host.verify.parsers import PARSERS
from tests.unit.kit import fake_program, path_with


def key(work: Workspace, *, backend: str = "fpm", settings: Path | None = None) -> str:
    return last.build_key(work, backend=backend, targets=("deb", "rpm"), settings=settings)


def append(name: str) -> Callable[[Workspace], None]:
    def change(work: Workspace) -> None:
        with (work.root / name).open("a") as file:
            file.write("\n")

    return change


def rename(work: Workspace) -> None:
    (work.files / "README.md").rename(work.files / "READ.md")


def add(work: Workspace) -> None:
    (work.files / "etc" / "new").write_text("")


INPUTS = [
    "files/etc/dnsmasq.d/consul.conf.j2",
    "packaging/settings.toml",
    "packaging/scripts/deb/prerm",
    "CHANGELOG.md",
]
INPUTS += [
    "packaging/consul_docker_host/package/render.py",
    "packaging/packages/consul-docker-host.toml",
    "locks/build.txt",
]


@pytest.mark.parametrize("change", [*(append(name) for name in INPUTS), rename, add], ids=[*INPUTS, "rename", "add"])
def test_every_change_of_an_input_changes_the_key(work: Workspace, change: Callable[[Workspace], None]) -> None:
    before = key(work)
    assert key(work) == before
    change(work)
    assert key(work) != before


def test_backend_settings_clock_and_parsers_are_part_of_the_key(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "my.toml"
    own.write_text("[dns]\nttl = 0\n")
    keys = [key(work), key(work, backend="nfpm"), key(work, settings=own)]
    own.write_text("[dns]\nttl = 2\n")
    keys.append(key(work, settings=own))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    keys.append(key(work))
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    fake_program(tmp_path / "bin", "dnsmasq", "")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    keys.append(key(work))
    assert len(set(keys)) == len(keys)


def test_python_s_caches_are_no_input(work: Workspace) -> None:
    before = key(work)
    (work.packaging / "consul_docker_host" / "__pycache__").mkdir()
    (work.packaging / "consul_docker_host" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert key(work) == before


@pytest.fixture
def built(work: Workspace) -> last.Built:
    """Return a remembered build of one artefact."""
    work.dist.mkdir()
    (work.dist / "a.deb").write_text("a")
    digest = file_digest(work.dist / "a.deb")
    remembered = last.Built(key="k", lines=("one", "two"), outputs={"a.deb": digest}, outside={})
    last.remember(work, remembered)
    return remembered


def test_a_build_is_remembered_as_it_was(work: Workspace, built: last.Built) -> None:
    assert last.last_build(work) == built
    assert last.is_current(work, built, "k")
    assert not last.is_current(work, built, "other")
    assert not last.is_current(work, None, "k")


def test_a_damaged_or_lost_artefact_is_no_current_build(work: Workspace, built: last.Built) -> None:
    (work.dist / "a.deb").write_text("b")
    assert not last.is_current(work, built, "k")
    (work.dist / "a.deb").unlink()
    assert not last.is_current(work, built, "k")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"x"',
        "{}",
        "\xff",
        '{"key": "k", "lines": [], "outputs": 5}',
        '{"key": 1, "lines": 5, "outputs": {}}',
    ],
)
def test_a_memory_that_cannot_be_read_is_no_memory(work: Workspace, built: last.Built, text: str) -> None:
    last.state_file(work).write_text(text, encoding="latin-1")
    former = last.last_build(work)
    assert former is None or not last.is_current(work, former, "k")


def test_the_parsers_that_a_build_asks_are_those_that_it_remembers_to_look_for() -> None:
    assert sorted(last.PARSER_PROGRAMS) == sorted(parser.program for parser in PARSERS)
