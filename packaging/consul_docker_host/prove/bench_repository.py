"""Benchmark adding a package to a repository of 2,000, compared with apt-ftparchive and its cache in one run."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import say, stage, table
from consul_docker_host.core.run import find_program, run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package import archive_sources
from consul_docker_host.prove.bench_build import Ratio, copy_project, measure
from consul_docker_host.repository.signing import GPG, end_agent, make_key

PACKAGES = 2000
GOAL_SECONDS = 0.5
SETTINGS = '[repository]\nurl = "https://packages.bench.example"\nkey_file = "archive.asc"\n'
CONTROL = """Package: {name}
Version: {version}
Section: net
Priority: optional
Architecture: all
Maintainer: bench <bench@bench.example>
Installed-Size: 100
Depends: dnsmasq, nftables, iproute2, python3 (>= 3.9), systemd, procps
Description: one of many
 This description is as long as that of an ordinary package, so that the
 indices have the size that they would have for a repository of so many
 packages. With these lines it is about as long as the description in the
 control file of consul-docker-host.
"""
# Prints the seconds of the work between the imports and the end.
OWN_WORK = """
import sys, time
sys.path.insert(0, "packaging")
from pathlib import Path
from consul_docker_host.core import workspace
from consul_docker_host.repository import publish
from consul_docker_host.settings.load import project_settings
begin = time.perf_counter()
work = workspace.Workspace(root=Path.cwd())
settings = project_settings(work, Path("bench.toml"))
publish.publish_dist(work, settings, channel="stable", key=sys.argv[1], with_consul=False)
print(time.perf_counter() - begin)
"""
FTPARCHIVE = """
Dir {{ ArchiveDir "{archive}"; CacheDir "{cache}"; }};
Default {{ Packages::Compress ". gzip xz"; }};
Tree "dists/stable" {{
  Sections "main"; Architectures "amd64 arm64"; Directory "pool/stable"; BinCacheDB "packages.db";
}};
"""


def repository(work: Workspace, *, rounds: int) -> None:
    """Publish one deb after another into a repository of 2,000, and print seconds and ratios."""
    if not find_program("apt-ftparchive"):
        reason = "apt-ftparchive is not installed, but the benchmark compares with it"
        raise BuildError(reason, hint="apt-get install apt-utils")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        copy, key = Path(name, "copy"), Path(name, "key")
        with stage(f"making {PACKAGES} packages and a key"):
            copy_project(work.root, copy)
            make_key(work, key, add=False)
            shutil.copy(key / archive_sources.KEY_NAME, copy / "archive.asc")
            (copy / "bench.toml").write_text(SETTINGS, encoding="utf-8")
            archive = fill(copy, Path(name), key)
        try:
            with stage(f"{rounds} rounds"):
                medians = measure(jobs(copy, archive, key), rounds)
        finally:
            end_agent({"GNUPGHOME": str(key)})
    for line in table(("seconds", "command (median)"), [(f"{value:.3f}", label) for label, value in medians.items()]):
        say(line)
    say("")
    for line in table(("figure", "goal", "verdict", "of"), [ratio.row() for ratio in ratios(medians)]):
        say(line)


def fill(copy: Path, scratch: Path, key: Path) -> Path:
    """Publish the packages with the project's own task, and return apt-ftparchive's archive of the same packages."""
    (copy / "dist").mkdir()
    for number in range(PACKAGES):
        write_deb(copy / "dist", f"1.0.{number}")
    archive = scratch / "archive"
    shutil.copytree(copy / "dist", archive / "pool/stable")
    for architecture in ("amd64", "arm64"):
        (archive / f"dists/stable/main/binary-{architecture}").mkdir(parents=True)
    (scratch / "cache").mkdir()
    config = FTPARCHIVE.format(archive=archive, cache=scratch / "cache")
    (archive / "generate.conf").write_text(config, encoding="utf-8")
    run([sys.executable, "-m", "invoke", "repo", "--settings", "bench.toml", "--key", str(key)], cwd=copy)
    return archive


def write_deb(folder: Path, version: str, name: str = "bench") -> Path:
    """Write a small deb into ``folder``."""

    def packed(files: dict[str, bytes]) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:xz", preset=0) as tar:
            for path, content in files.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return stream.getvalue()

    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": packed({"./control": CONTROL.format(name=name, version=version).encode()}),
        "data.tar.xz": packed({"./usr/share/bench": version.encode()}),
    }
    path = folder / f"{name}_{version}_all.deb"
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for member, content in members.items():
            file.write(f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode("ascii"))
            file.write(content + b"\n" * (len(content) % 2))
    return path


def jobs(copy: Path, archive: Path, key: Path) -> dict[str, Callable[[], float]]:
    """Return the timed jobs by name; each call adds one new package."""
    versions = (f"2.0.{number}" for number in range(10**6))

    def fresh(folder: Path, versions: Iterator[str]) -> None:
        for path in folder.glob("bench_*"):
            if folder.name == "dist":
                path.unlink()
        write_deb(folder, next(versions))

    def command() -> float:
        fresh(copy / "dist", versions)
        begin = time.perf_counter()
        run([sys.executable, "-m", "invoke", "repo", "--settings", "bench.toml", "--key", str(key)], cwd=copy)
        return time.perf_counter() - begin

    def own_work() -> float:
        fresh(copy / "dist", versions)
        return float(run([sys.executable, "-c", OWN_WORK, str(key)], cwd=copy).stdout.split()[-1])

    def ftparchive() -> float:
        fresh(archive / "pool/stable", versions)
        suite = archive / "dists/stable"
        begin = time.perf_counter()
        run(["apt-ftparchive", "generate", str(archive / "generate.conf")], cwd=archive)
        release = run(["apt-ftparchive", "release", str(suite)], cwd=archive).stdout
        (suite / "Release").write_text(release, encoding="utf-8")
        for option in ("--clearsign", "--detach-sign"):
            run([*GPG, "--armor", option], env={"GNUPGHOME": str(key)}, stdin=release)
        return time.perf_counter() - begin

    return {
        f"one deb among {PACKAGES}: the work, after the imports": own_work,
        f"one deb among {PACKAGES}: inv repo, with Python's start": command,
        f"one deb among {PACKAGES}: apt-ftparchive with its cache, and gpg": ftparchive,
    }


def ratios(medians: dict[str, float]) -> tuple[Ratio, ...]:
    """Return the figures that have goals; the first is in seconds."""
    own, command, ftparchive = medians.values()
    return (
        Ratio(label="seconds to publish one deb among 2,000", value=own, goal=GOAL_SECONDS),
        Ratio(label="the same / apt-ftparchive with its cache, and gpg", value=own / ftparchive, goal=1.0),
        Ratio(label="inv repo / apt-ftparchive with its cache, and gpg", value=command / ftparchive, goal=1.5),
    )
