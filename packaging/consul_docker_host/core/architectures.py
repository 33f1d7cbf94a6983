"""Architectures by Debian's names: this machine's own, and the one that a program is built for."""

from __future__ import annotations

import platform
import struct
from pathlib import Path

# The kernel's name -> Debian's, and ELF's number (e_machine) -> Debian's.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ELF_MACHINES = {62: "amd64", 183: "arm64"}
ELF = b"\x7fELF"


def own_architecture() -> str:
    """Return this machine's architecture; empty if it is not supported."""
    return ARCHITECTURES.get(platform.machine(), "")


def is_program(path: Path) -> bool:
    """Return whether a file is a program for Linux (ELF)."""
    with path.open("rb") as file:
        return file.read(len(ELF)) == ELF


def architecture_of(program: Path) -> str:
    """Return the architecture that a program is built for; empty if it is not supported."""
    with program.open("rb") as file:
        head = file.read(20)
    return ELF_MACHINES.get(struct.unpack_from("<H", head, 18)[0], "") if len(head) == 20 else ""
