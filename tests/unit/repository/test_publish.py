"""``inv repo`` and ``inv repo.key`` as a user types them: what is told, what each mistake costs, and what it leaves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.archive_sources import KEY_NAME
from consul_docker_host.prove.bench_repository import write_deb
from consul_docker_host.repository.publish import warnings
from consul_docker_host.repository.signing import Key
from tests.unit.kit import ARCHIVE_KEY, copy_checkout, fake_program, inv, path_with, snapshot


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, archive_key: Path) -> Workspace:
    """Return a workspace with a published deb; not to be changed."""
    work = copy_checkout(tmp_path_factory.mktemp("ready") / "checkout")
    shutil.copy(archive_key / KEY_NAME, work.root / "archive.asc")
    (work.root / "my.toml").write_text('[repository]\nkey_file = "archive.asc"\n')
    work.dist.mkdir()
    write_deb(work.dist, "1.0")
    done = inv(work, "repo", "--settings", "my.toml", "--key", str(archive_key))
    assert done.returncode == 0, done.output
    return work


@pytest.fixture
def site(ready: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(ready.root, tmp_path / "checkout", symlinks=True)
    return Workspace(root=tmp_path / "checkout")


def test_the_user_is_told_what_came_and_what_is_there(site: Workspace, archive_key: Path) -> None:
    write_deb(site.dist, "1.1")
    said = inv(site, "repo", "--settings", "my.toml", "--key", str(archive_key), "--channel", "testing")
    assert said.returncode == 0, said.output
    lines = said.stdout.splitlines()
    assert {"new in testing: bench_1.0_all.deb", "new in testing: bench_1.1_all.deb"} <= set(lines)
    assert [line.split() for line in lines if line.startswith(("stable", "testing"))] == [
        ["stable", "1", "0"],
        ["testing", "2", "0"],
    ]
    assert lines[-1].startswith("signed by ")
    assert not list(site.dist.glob(".new-*"))


def test_a_second_run_says_that_nothing_has_changed(site: Workspace, archive_key: Path) -> None:
    before = snapshot(site.dist)
    said = inv(site, "repo", "--settings", "my.toml", "--key", str(archive_key))
    assert said.stdout.startswith("up to date: dist/repository/ has not changed")
    assert snapshot(site.dist) == before


def test_artefacts_stay_unsigned(site: Workspace, keyring_rpms: tuple[Path, ...], archive_key: Path) -> None:
    shutil.copy(keyring_rpms[0], site.dist)
    before = snapshot(site.dist)[keyring_rpms[0].name]
    done = inv(site, "repo", "--settings", "my.toml", "--key", str(archive_key))
    assert done.returncode == 0, done.output
    assert snapshot(site.dist)[keyring_rpms[0].name] == before
    (published,) = (site.dist / "repository/rpm/stable/packages").iterdir()
    assert published.read_bytes() != keyring_rpms[0].read_bytes()


def test_a_key_that_ends_soon_is_told_in_time() -> None:
    def key(expires: int) -> Key:
        return Key(fingerprint="F" * 40, user="a", algorithm="1", bits=4096, expires=expires, is_revoked=False)

    now = 1_800_000_000
    soon, later, never = key(now + 86400), key(now + 200 * 86400), key(0)
    (line,) = warnings([soon, later, never], now=now)
    assert (
        line == f"{'F' * 40} expires on 2027-01-16: ./inv repo.key --add makes the next one; hosts need time to get it"
    )


def test_what_a_killed_run_left_is_swept(site: Workspace, archive_key: Path) -> None:
    (site.dist / ".new-killed" / "repository").mkdir(parents=True)
    assert inv(site, "repo", "--settings", "my.toml", "--key", str(archive_key)).returncode == 0
    assert not list(site.dist.glob(".new-*"))


@pytest.mark.parametrize(
    ("settings", "options", "told"),
    [
        ("", (), "repository.key_file: is empty, but a repository must be signed\n  ./inv repo.key --folder DIR"),
        ('key_file = "none.asc"', (), "my.toml:2: repository.key_file: {root}/none.asc: No such file or directory; "),
        ('key_file = "fake.asc"', (), "repository.key_file: {root}/fake.asc: gpg finds no key in it\n"),
        ('key_file = "archive.asc"', ("--key", "none"), "--key none: no such file or directory\n"),
        ('key_file = "archive.asc"', ("--key", "empty"), "--key empty: has no secret key for "),
        ('key_file = "archive.asc"', ("--key", "my.toml"), "gpg exited with 2: "),
        ('key_file = "archive.asc"', ("--key", "{key}", "--channel", "tsting"), "--channel tsting: unknown channel\n"),
        ('key_file = "archive.asc"\nchannel = "x"', (), "my.toml:3: repository.channel: 'x' is not valid; use "),
        ('key_file = "archive.asc"\nvalid_days = -1', (), "my.toml:3: repository.valid_days: -1 is out of range"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_the_old_repository(
    site: Workspace, archive_key: Path, settings: str, options: tuple[str, ...], told: str
) -> None:
    before = snapshot(site.dist)
    (site.root / "empty").mkdir()
    (site.root / "fake.asc").write_text(ARCHIVE_KEY)
    (site.root / "my.toml").write_text(f"[repository]\n{settings}\n")
    words = [option.format(key=archive_key) for option in options]
    ended = inv(site, "repo", "--settings", "my.toml", *words, env={"GNUPGHOME": str(site.root / "empty")})
    assert ended.returncode == 1
    assert ended.stderr.startswith(told.format(root=site.root)), ended.output
    assert "Traceback" not in ended.output
    assert snapshot(site.dist) == before


def test_other_bytes_under_a_published_name_are_refused(site: Workspace, archive_key: Path) -> None:
    with (site.dist / "bench_1.0_all.deb").open("r+b") as file:
        # The first member's time stamp: it is a deb still.
        file.seek(24)
        file.write(b"7")
    before = snapshot(site.dist)
    ended = inv(site, "repo", "--settings", "my.toml", "--key", str(archive_key))
    assert ended.returncode == 1
    assert "bench_1.0_all.deb: differs from apt/pool/stable/b/bench/bench_1.0_all.deb" in ended.stderr
    assert snapshot(site.dist) == before


def test_an_empty_dist_names_the_task_that_fills_it(site: Workspace, archive_key: Path) -> None:
    shutil.rmtree(site.dist)
    ended = inv(site, "repo", "--settings", "my.toml", "--key", str(archive_key))
    assert (ended.returncode, ended.stderr) == (
        1,
        f"{site.dist}: contains no deb and no rpm\n  ./inv build makes them\n",
    )


def test_a_signing_program_that_fails_leaves_the_old_repository(
    site: Workspace, archive_key: Path, tmp_path: Path, keyring_rpms: tuple[Path, ...]
) -> None:
    shutil.copy(keyring_rpms[0], site.dist)
    before = snapshot(site.dist)
    fake_program(tmp_path / "bin", "rpmsign", 'for last; do :; done; echo half >"$last"; echo no luck >&2; exit 1')
    environment = {"PATH": path_with(tmp_path / "bin")}
    ended = inv(site, "repo", "--settings", "my.toml", "--key", str(archive_key), env=environment)
    assert ended.returncode == 1
    assert "no luck" in ended.stderr
    assert snapshot(site.dist) == before


def test_a_disk_that_takes_no_more_leaves_the_old_repository(site: Workspace, archive_key: Path) -> None:
    """A limit on the size of files stands for it: the page is the first that is larger."""
    write_deb(site.dist, "1.1")
    before = snapshot(site.dist)
    ended = inv(site, "repo", "--settings", "my.toml", "--key", str(archive_key), before="ulimit -f 10")
    assert ended.returncode == 1
    assert "too large" in ended.stderr
    assert "Traceback" not in ended.output
    assert snapshot(site.dist) == before
    assert not list(site.dist.glob(".new-*"))


def test_a_link_in_the_repository_s_place_is_not_replaced(site: Workspace, archive_key: Path, tmp_path: Path) -> None:
    (site.dist / "repository").rename(tmp_path / "elsewhere")
    (site.dist / "repository").symlink_to(tmp_path / "elsewhere")
    write_deb(site.dist, "1.1")
    ended = inv(site, "repo", "--settings", "my.toml", "--key", str(archive_key))
    assert ended.returncode == 1
    assert (
        "dist/repository: is a symbolic link, and would be replaced by a directory\n  make it a directory"
        in ended.stderr
    )
    assert (site.dist / "repository").is_symlink()


def test_a_key_is_made_with_a_warning_and_the_way_on(work: Workspace, tmp_path: Path) -> None:
    made = inv(work, "repo.key", "--folder", str(tmp_path / "key"))
    assert made.returncode == 0, made.output
    assert "holds the secret key of the archive, without a passphrase" in made.stdout
    assert f'key_file = "{tmp_path}/key/{KEY_NAME}"' in made.stdout
    for options, told in (
        ((), "--folder: is missing"),
        (("--folder", str(tmp_path / "key")), "already contains a key"),
        (("--folder", "keys"), "--folder keys: is in the checkout"),
    ):
        ended = inv(work, "repo.key", *options)
        assert ended.returncode == 1
        assert told in ended.stderr
        assert len(ended.stderr.splitlines()) == 2
