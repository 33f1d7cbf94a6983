"""Repositories in the states that the stories need, made by the project's own tasks, and the keys that sign them."""

from __future__ import annotations

import re
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT, Workspace, cache_folder
from consul_docker_host.repository import yum
from consul_docker_host.repository.rpms import read_rpm
from consul_docker_host.repository.signing import GPG, make_key, short_home, signer
from tests.support import variants
from tests.support.kept import kept_directory
from tests.support.variants import earlier_version
from tests.unit.kit import CHECKOUT_FILES, CHECKOUT_FOLDERS, copy_checkout, inv, walk

URL = "http://127.0.0.1:8080"
OLD_VERSION, NEW_VERSION = "0.0.9", "0.1.0"
NAMES = ("old", "new", "wrong", "expired")
STATES = ("old", "new", "rotated")
CHECKOUT = "checkout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Homes of gpg by name; "old" and "new" are both in the archive's, and the fingerprints of all."""

    homes: Mapping[str, Path]
    fingerprints: Mapping[str, str]

    @property
    def archive(self) -> Path:
        """The folder that `inv repo.key` made, with the old and the new key."""
        return self.homes["old"]

    def public(self, *names: str) -> str:
        """Return the public keys as one armour; all of one home. The expired one is as it was when it ended."""
        if names == ("expired",):
            return (self.homes["expired"] / "ended.asc").read_text()
        wanted = [self.fingerprints[name] for name in names]
        return gpg(self.homes[names[0]], "--armor", "--export", *wanted)

    def sign(self, names: Sequence[str], text: str, *arguments: str) -> str:
        """Sign a text today, by each key that is named."""
        users = [word for one in names for word in ("--local-user", f"{self.fingerprints[one]}!")]
        return gpg(self.homes[names[0]], "--armor", *users, *arguments, text=text)


def gpg(home: Path, *arguments: str, text: str = "") -> str:
    """Run gpg in a home and return what it prints; no agent stays."""
    with short_home(home) as environment:
        return run([*GPG, *arguments], env=environment, stdin=text).stdout


def make_keys() -> Keys:
    """Return keys of the tests, kept in the user's cache: four of them take half a minute."""
    folder = cache_folder("repository-keys", "2")
    homes = {name: folder / ("archive" if name in {"old", "new"} else name) for name in NAMES}
    with Lock(folder / "lock"):
        if not (folder / "whole").exists():
            for home in homes.values():
                shutil.rmtree(home, ignore_errors=True)
            make_key(Workspace(), homes["old"], add=False)
            make_key(Workspace(), homes["new"], add=True)
            make_key(Workspace(), homes["wrong"], add=False)
            make_expired(homes["expired"])
            (folder / "whole").touch()
    listed = {name: fingerprints(home) for name, home in homes.items()}
    places = {"old": 0, "new": 1, "wrong": 0, "expired": 0}
    return Keys(homes=homes, fingerprints={name: listed[name][place] for name, place in places.items()})


def make_expired(home: Path) -> None:
    """Make a key that ended years ago for all who know it, and that its holder has given more time since.

    Signatures of today are what shows the end: one that was made before it is as good as ever to sqv.
    """
    home.mkdir(mode=0o700)
    generate = ["--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key"]
    gpg(home, "--faked-system-time", "20200101T000000", *generate, "expired archive", "rsa4096", "sign,cert", "1y")
    (home / "ended.asc").write_text(gpg(home, "--armor", "--export"))
    gpg(home, "--quick-set-expire", fingerprints(home)[0], "0")


def fingerprints(home: Path) -> list[str]:
    """Return the fingerprints of a home's keys, oldest first."""
    lines = gpg(home, "--with-colons", "--list-keys").splitlines()
    return [line.split(":")[9] for line in lines if line.startswith("fpr:")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Copies of dist/repository/ as it was after each publication, by name."""

    keys: Keys
    trees: Mapping[str, Path]
    work: Workspace

    def publish(self, state: str, *options: str) -> Path:
        """Publish what dist/ holds with the settings of a state and return a copy of the tree."""
        done = inv(self.work, "repo", "--key", str(self.keys.archive), "--settings", f"{state}.toml", *options)
        assert done.returncode == 0, done.output
        target = self.work.root.parent / "-".join((state, *options))
        shutil.copytree(self.work.dist / "repository", target)
        return target

    def write_metadata(self, folder: Path) -> None:
        """Make the metadata of rpm/CHANNEL anew from its packages as they are, and sign them by the old key."""
        shutil.rmtree(folder / yum.REPODATA)
        files = sorted((folder / "packages").glob("*.rpm"))
        items = [read_rpm(file, f"packages/{file.name}") for file in files]
        with signer(self.keys.public("old"), "the tests' key", str(self.keys.archive)) as signing:
            yum.write_metadata(folder, items, signing)


def copy_commands() -> tuple[str, str]:
    """Return the README's two commands that copy a repository to where it is served."""
    first, second = re.findall(r"`(rsync [^`]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    return first, second


def copy_by(command: str, source: Path, target: Path) -> None:
    """Copy a repository by a command of the README's."""
    places = {"dist/repository/": f"{source}/", "HOST:DIR/": f"{target}/"}
    run([places.get(word, word) for word in shlex.split(command)])


def copied_halfway(site: Site, folder: Path) -> Path:
    """Return what is served after the first of both commands: the old version was there, the new one comes."""
    target = folder / "halfway"
    for command, state in zip((*copy_commands(), copy_commands()[0]), ("old", "old", "new"), strict=True):
        copy_by(command, site.trees[state], target)
    return target


def published_site(folder: Path, keys: Keys) -> Site:
    """Return the site in ``folder``, which must be new; it is published once a day for the same content."""
    made = kept_directory("site", folder, key=site_key(keys), make=lambda target: make_site(target, keys))
    return Site(keys=keys, trees={state: made / state for state in STATES}, work=Workspace(root=made / CHECKOUT))


def site_key(keys: Keys) -> list[bytes | str]:
    """Return what a site is made of. Signatures and kept indices have times, so that a site of yesterday differs."""
    sources = [ROOT / name for name in CHECKOUT_FILES]
    sources += sorted(path for name in CHECKOUT_FOLDERS for path in walk(ROOT / name))
    sources += [Path(__file__), Path(str(variants.__file__)), *built_packages()]
    content = [part for path in sources for part in (path.name, path.read_bytes())]
    return [time.strftime("%Y-%m-%d"), *keys.fingerprints.values(), *content]


def make_site(folder: Path, keys: Keys) -> Site:
    """Publish an old version, a new one, and a change of keys."""
    work = copy_checkout(folder / CHECKOUT)
    earlier = [earlier_version(folder / kind, kind) for kind in ("deb", "rpm")]
    trees: dict[str, Path] = {}
    site = Site(keys=keys, trees=trees, work=work)
    for state, version, names, packages in (
        ("old", OLD_VERSION, ("old",), earlier),
        ("new", NEW_VERSION, ("old",), built_packages()),
        ("rotated", f"{NEW_VERSION}+rotated", ("old", "new"), []),
    ):
        settings = work.root / f"{state}.toml"
        key_file = work.root / f"{state}.asc"
        key_file.write_text(keys.public(*names))
        repository = f'[repository]\nurl = "{URL}"\nkey_file = "{key_file.name}"\n'
        settings.write_text(f'[package]\nversion = "{version}"\n{repository}')
        built = inv(work, "build", "--backend", "nfpm", "--settings", settings.name)
        assert built.returncode == 0, built.output
        for path in work.dist.glob("consul-docker-host[_-][0-9]*"):
            path.unlink()
        for package in packages:
            shutil.copy(package, work.dist)
        trees[state] = site.publish(state)
    return site


def built_packages() -> list[Path]:
    """Return what `inv build` left."""
    patterns = ("consul-docker-host_*_all.deb", "consul-docker-host-[0-9]*.noarch.rpm")
    found = [path for pattern in patterns for path in (ROOT / "dist").glob(pattern)]
    if len(found) != len(patterns):
        raise BuildError("dist/ holds no deb and rpm of one build", hint="./inv build")
    return found
