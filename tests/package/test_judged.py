"""lintian and rpmlint have nothing to say: no error, no warning, no pedantry, by either backend."""

from __future__ import annotations

import itertools

import pytest

from consul_docker_host.core.run import find_program, run
from consul_docker_host.core.workspace import PROJECT, Workspace
from consul_docker_host.package import archive_sources
from consul_docker_host.verify import packages
from tests.package.conftest import BACKENDS, artefact

JUDGES = {".deb": "lintian", ".rpm": "rpmlint"}


@pytest.mark.parametrize("suffix", JUDGES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_package_s_judge_is_silent(builds: dict[str, Workspace], backend: str, suffix: str) -> None:
    assert_silent(builds[backend], suffix, PROJECT)


@pytest.mark.parametrize("suffix", JUDGES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_keyring_package_s_judge_is_silent(rich_builds: dict[str, Workspace], backend: str, suffix: str) -> None:
    assert_silent(rich_builds[backend], suffix, archive_sources.PACKAGE)


def assert_silent(work: Workspace, suffix: str, name: str) -> None:
    assert find_program(JUDGES[suffix]), f"{JUDGES[suffix]} is needed here: ./inv setup.system"
    command = packages.validator_command(work, artefact(work, suffix, name))
    judged = run(command, timeout=packages.VALIDATOR_TIMEOUT, check=False)
    complaints = [line for line in judged.output.splitlines() if line.split(":")[0] in "EWP" and ": " in line]
    complaints += [line for line in judged.output.splitlines() if ": E: " in line or ": W: " in line]
    assert not complaints
    assert judged.returncode == 0, judged.output


def test_every_exception_from_a_judge_has_its_reason() -> None:
    """A filter or an override without a comment above it is a secret."""
    work = Workspace()
    files = [work.packaging / "rpmlint.toml", *(work.files / "usr/share/lintian/overrides").glob("*")]
    bare = []
    for path in files:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        for before, line in itertools.pairwise(lines):
            is_exception = line.startswith(('"', "consul-docker-host"))
            # One reason may stand for the lines below it.
            if is_exception and not before.startswith(("#", '"', "consul-docker-host")):
                bare.append(f"{path.name}: {line}")
    assert not bare
