"""Fixtures that more than one suite of stories starts from."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.support.containers.bed import Bed, test_network
from tests.support.containers.engine import running_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """Give the engine of the run."""
    with running_engine() as client:
        yield client


@pytest.fixture(scope="session")
def bed(engine: docker.DockerClient) -> Iterator[Bed]:
    """Give the network of this process, and hosts in it."""
    with test_network(engine) as network:
        yield Bed(client=engine, network=network)
