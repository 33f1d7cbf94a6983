"""Architectures: Debian's names for what the kernel and ELF call otherwise."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from consul_docker_host.core.architectures import architecture_of, is_program, own_architecture


def elf(machine: int) -> bytes:
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(20)


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "")])
def test_this_machine_has_debian_s_name(monkeypatch: pytest.MonkeyPatch, machine: str, name: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert own_architecture() == name


@pytest.mark.parametrize(
    ("content", "name"),
    [(elf(62), "amd64"), (elf(183), "arm64"), (elf(243), ""), (elf(62)[:19], ""), (b"", "")],
    ids=["x86-64", "AArch64", "RISC-V", "cut short", "empty"],
)
def test_a_program_s_architecture_is_read_from_its_head(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / "program").write_bytes(content)
    assert architecture_of(tmp_path / "program") == name


def test_a_script_is_not_a_program(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "program").write_bytes(elf(62))
    assert is_program(tmp_path / "program")
    assert not is_program(tmp_path / "script")
