"""The backends that write packages, behind one interface: from one plan both write the same package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from consul_docker_host.backends.fpm import FpmBackend
from consul_docker_host.backends.nfpm import NfpmBackend
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.programs import find_fpm
from consul_docker_host.package.description import Format
from consul_docker_host.package.plan import Plan

CHOICES = ("auto", "fpm", "nfpm")


class Backend(Protocol):
    """Writes one package from a plan."""

    @property
    def name(self) -> str:
        """The name that selects the backend on the command line."""

    def build(self, plan: Plan, package_format: Format, out: Path) -> None:
        """Write the package to ``out``, a path that does not exist yet in a directory that does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The selected backend, and the reason that the user is shown."""

    backend: Backend
    reason: str


def choose_backend(name: str) -> Choice:
    """Return the backend for one of CHOICES; ``auto`` uses fpm if it is installed, and never installs it."""
    if name not in CHOICES:
        raise BuildError(f"--backend {name}: unknown backend", hint=f"use {', '.join(CHOICES)}")
    if name == "nfpm":
        return Choice(backend=NfpmBackend(), reason="requested")
    fpm = find_fpm()
    if fpm:
        return Choice(backend=FpmBackend(fpm=fpm), reason="requested" if name == "fpm" else f"found at {fpm.program}")
    if name == "fpm":
        raise BuildError("fpm is neither on the PATH nor in the cache", hint="./inv setup.fpm installs it")
    return Choice(backend=NfpmBackend(), reason="fpm is not installed; ./inv setup.fpm installs it")
