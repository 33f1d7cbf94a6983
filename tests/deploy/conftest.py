"""Fixtures of the deploy stories: the bed of the install stories, and a fleet for each file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.kit import Fleet, fleet_of, ssh_image
from tests.install.conftest import bed, engine
from tests.support.containers.bed import Bed
from tests.support.schedule import pytest_xdist_make_scheduler

__all__ = ["bed", "engine", "pytest_xdist_make_scheduler"]  # pytest finds fixtures and hooks here


@pytest.fixture(scope="module")
def fleet(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Give one server and two clients, each of another distribution, with nothing of ours on them."""
    wanted = (("server", "debian-12"), ("client-deb", "debian-13"), ("client-rpm", "rpm-12"))
    folder = tmp_path_factory.mktemp("fleet")
    with fleet_of(bed, folder, *((name, ssh_image(bed, distribution)) for name, distribution in wanted)) as running:
        yield running
