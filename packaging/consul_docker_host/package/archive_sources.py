"""The files that lead a machine to the archive: its key, apt's source and dnf's repo file.

The keyring package, the repository's files to copy and the cloud-init snippet all use these texts, byte for byte, so
dpkg asks no question about a file that was copied by hand before the package came. The deploy runs without the builder
and has its own texts; a test compares them with these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from consul_docker_host.core.workspace import PROJECT
from consul_docker_host.package.description import FORMATS, Format
from consul_docker_host.package.plan import RepositoryPlan

PACKAGE = f"{PROJECT}-archive-keyring"
CHANNELS = ("stable", "testing")
# Every machine has this channel; testing is added to it.
DEFAULT_CHANNEL = CHANNELS[0]
KEY_NAME = f"{PACKAGE}.asc"
APT_KEY = f"usr/share/keyrings/{KEY_NAME}"
OVERRIDES = f"""\
# The package exists to install the archive's address together with its key.
{PACKAGE}: package-installs-apt-sources *
"""
RPM_KEY_NAME = f"RPM-GPG-KEY-{PROJECT}"
RPM_KEY = f"etc/pki/rpm-gpg/{RPM_KEY_NAME}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringFile:
    """One file of the keyring package: its path on a host, its text, the formats that ship it."""

    path: str
    text: str
    formats: tuple[Format, ...] = FORMATS


def source_name(channel: str) -> str:
    """Return the name of a channel's files, without suffix: testing is a source beside stable, not instead of it."""
    return PROJECT if channel == DEFAULT_CHANNEL else f"{PROJECT}-{channel}"


def apt_source_path(channel: str) -> str:
    """Return the path of apt's source on a host."""
    return f"etc/apt/sources.list.d/{source_name(channel)}.sources"


def yum_source_path(channel: str) -> str:
    """Return the path of dnf's repo file on a host."""
    return f"etc/yum.repos.d/{source_name(channel)}.repo"


def apt_source(url: str, channel: str) -> str:
    """Return apt's source (deb822, sources.list(5)) of a channel."""
    lines = ("Types: deb", f"URIs: {url.rstrip('/')}/apt", f"Suites: {channel}", "Components: main")
    return "\n".join((*lines, f"Signed-By: /{APT_KEY}", ""))


def yum_source(url: str, channel: str) -> str:
    """Return dnf's repo file of a channel: packages and metadata must both be signed."""
    lines = (
        f"[{source_name(channel)}]",
        f"name={PROJECT} ({channel})",
        f"baseurl={url.rstrip('/')}/rpm/{channel}",
        "enabled=1",
        "gpgcheck=1",
        "repo_gpgcheck=1",
        f"gpgkey=file:///{RPM_KEY}",
    )
    return "\n".join((*lines, ""))


def keyring_files(repository: RepositoryPlan) -> Iterator[KeyringFile]:
    """Yield the files of the keyring package, except its documentation."""
    yield KeyringFile(path=APT_KEY, text=repository.key, formats=("deb",))
    source = apt_source(repository.url, DEFAULT_CHANNEL)
    yield KeyringFile(path=apt_source_path(DEFAULT_CHANNEL), text=source, formats=("deb",))
    yield KeyringFile(path=RPM_KEY, text=repository.key, formats=("rpm",))
    yield KeyringFile(path=f"usr/share/lintian/overrides/{PACKAGE}", text=OVERRIDES, formats=("deb",))
    repo = yum_source(repository.url, DEFAULT_CHANNEL)
    yield KeyringFile(path=yum_source_path(DEFAULT_CHANNEL), text=repo, formats=("rpm",))
