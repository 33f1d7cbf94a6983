"""A program that resolves names as musl does, for the containers of the guests; and the image that holds it alone."""

from __future__ import annotations

from pathlib import Path

from consul_docker_host.core import run
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.workspace import cache_folder, content_key, replacing
from tests.support.machines.guest import Guest
from tests.support.machines.hosts import image_tar

SOURCE = Path(__file__).with_name("resolve.c")
IMAGE, TAR = "musl:latest", "/var/tmp/musl.tar"


def program_name() -> str:
    """Return the program's name in the cache."""
    return f"resolve-{content_key([SOURCE.read_bytes()])[:12]}"


def musl_program() -> Path:
    """Return the program, static, built on the first call."""
    program = cache_folder("vm") / program_name()
    with Lock(program.with_suffix(".lock")):
        if not program.exists():
            with replacing(program, mode=0o755) as beside:
                argv = ["musl-gcc", "-static", "-Os", "-Wall", "-Wextra", "-Werror", "-o", str(beside), str(SOURCE)]
                run.run(argv, hint="apt-get install musl-tools")
    return program


def load_musl(guest: Guest) -> None:
    """Put the image with the program alone into the guest's Docker."""
    guest.put(TAR, image_tar({"resolve": musl_program().read_bytes()}, folders=("etc", "dev", "proc", "sys")))
    guest.run(f"docker import {TAR} {IMAGE}")
