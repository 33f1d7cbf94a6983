"""What comes into the repository: every package once, nothing replaced, rpms signed, all mistakes told together."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.package.archive_sources import CHANNELS
from consul_docker_host.prove.bench_repository import write_deb
from consul_docker_host.repository.catalogue import Catalogue
from consul_docker_host.repository.intake import Intake, Pool, packages_in
from consul_docker_host.repository.rpms import read_rpm
from consul_docker_host.repository.signing import Signer


class Signing(Signer):
    """Signs by adding nothing, and remembers what it was given."""

    signed: tuple[Path, ...] = ()

    def sign_rpms(self, paths: object) -> None:
        """Remember the paths."""
        type(self).signed = tuple(paths)  # type: ignore[arg-type]


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    names = [f"{kind}-{channel}" for kind in ("apt", "rpm") for channel in CHANNELS]
    return Pool(root=tmp_path / "tree", catalogues={name: Catalogue(file=tmp_path / name) for name in names})


@pytest.fixture
def dist(tmp_path: Path, keyring_rpms: tuple[Path, ...]) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    write_deb(folder, "1.0")
    shutil.copy(keyring_rpms[0], folder)
    (folder / "SHA256SUMS").write_text("")
    return folder


def take(pool: Pool, dist: Path, channel: str = "stable") -> tuple[str, ...]:
    intake = Intake(pool=pool, channel=channel, signer=Signing(keys=(), environment={}))
    return intake.admit(packages_in(dist, with_consul=False))


def test_packages_come_to_their_places(pool: Pool, dist: Path) -> None:
    added = take(pool, dist)
    assert set(added) == {path.name for path in dist.iterdir()} - {"SHA256SUMS"}
    assert (pool.root / "apt/pool/stable/b/bench/bench_1.0_all.deb").stat().st_mode & 0o777 == 0o644
    (rpm,) = (pool.root / "rpm/stable/packages").iterdir()
    assert Signing.signed == (rpm,)
    assert [item.name for item in pool.items("apt", "stable")] == ["bench"]
    assert pool.items("apt", "testing") == ()


def test_what_is_there_already_is_no_news(pool: Pool, dist: Path) -> None:
    take(pool, dist)
    assert take(pool, dist) == ()


def test_a_package_that_becomes_stable_is_the_file_that_was_tested(pool: Pool, dist: Path) -> None:
    take(pool, dist, "testing")
    assert len(take(pool, dist, "stable")) == 2
    for tested in (*pool.root.rglob("testing/**/*.deb"), *pool.root.rglob("testing/packages/*.rpm")):
        assert Path(str(tested).replace("testing", "stable")).samefile(tested)
    assert Signing.signed == (), "it was signed when it came"


def test_other_bytes_under_a_published_name_are_told_all_together(
    pool: Pool, dist: Path, keyring_rpms: tuple[Path, ...]
) -> None:
    shutil.copy(keyring_rpms[1], dist)
    take(pool, dist, "testing")
    with (dist / "bench_1.0_all.deb").open("r+b") as file:
        # The first member's time stamp: it is a deb still.
        file.seek(24)
        file.write(b"7")
    shutil.copy(keyring_rpms[2], dist / keyring_rpms[1].name)
    with pytest.raises(BuildError) as caught:
        take(pool, dist, "stable")
    lines = str(caught.value).splitlines()
    names = ["bench_1.0_all.deb", keyring_rpms[1].name]
    told = "differs from {}, which is published under the same name"
    places = ["apt/pool/testing/b/bench/bench_1.0_all.deb", f"rpm/testing/packages/{names[1]}"]
    wanted = [f"{dist / name}: {told.format(place)}" for name, place in zip(names, places, strict=True)]
    assert sorted(lines[:2]) == sorted(wanted)
    assert lines[2].startswith("  published files never change: give the new package its own version")
    assert len(lines) == 3


def test_a_signed_rpm_is_still_known_by_its_content(pool: Pool, dist: Path, keyring_rpms: tuple[Path, ...]) -> None:
    take(pool, dist)
    (rpm,) = (pool.root / "rpm/stable/packages").iterdir()
    assert pool.item("rpm", "stable", rpm).unsigned == read_rpm(keyring_rpms[0], "a").unsigned
    assert take(pool, dist) == ()


def test_consul_s_folder_is_looked_into_only_if_asked(dist: Path) -> None:
    (dist / "consul").mkdir()
    write_deb(dist / "consul", "1.22.7-1", name="consul")
    assert "consul_1.22.7-1_all.deb" not in {path.name for path in packages_in(dist, with_consul=False)}
    assert "consul_1.22.7-1_all.deb" in {path.name for path in packages_in(dist, with_consul=True)}
