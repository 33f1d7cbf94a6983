"""Story: an image boots and proves its promises before it is called done, by a BIOS too, of either suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.image.kit import Made, inv_image

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

SUITES = ("bookworm", "trixie")
PROMISES = (
    "Consul leads its cluster",
    "the host is healthy",
    "a container reaches the agent at the address",
    "Registrator registers a container",
)


@pytest.mark.parametrize("firmware", ["uefi", "bios"])
@pytest.mark.parametrize("wanted", SUITES)
def test_the_command_itself_boots_what_it_made(
    made: Made, preload: tuple[Path, ...], wanted: str, firmware: str
) -> None:
    options = [f"--suite={wanted}", "--format=raw", f"--preload={','.join(map(str, preload))}"]
    done = inv_image(made.work, *options, *(["--bios"] if firmware == "bios" else []))
    assert done.returncode == 0, done.output
    told = [line.split(maxsplit=1) for line in done.output.splitlines() if line.startswith("  ok ")]
    assert {what for _, what in told} >= set(PROMISES), done.output
    assert [line for line in done.output.splitlines() if line.startswith(("  broken", "  skipped"))] == []
    image = made.work.dist / "images" / f"consul-docker-host-0.1.0-{wanted}-amd64.raw"
    image.unlink()
