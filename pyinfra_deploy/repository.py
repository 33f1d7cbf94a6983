"""The files that add a package repository to a host: deb822 for apt, a repo file for dnf, and the repository's key.

Paths and bytes are those of the archive's keyring package, so that dpkg and rpm find no changes when it is installed
later. The builder writes the same texts. This package does not need the builder, so a test keeps the two equal.
"""

from __future__ import annotations

NAME = "consul-docker-host"
CHANNELS = ("stable", "testing")
KEY_FILES = {
    "deb": f"/usr/share/keyrings/{NAME}-archive-keyring.asc",
    "rpm": f"/etc/pki/rpm-gpg/RPM-GPG-KEY-{NAME}",
}


def channels(channel: str) -> tuple[str, ...]:
    """Return the channels of a host that uses ``channel``: testing is added to stable."""
    return CHANNELS[: CHANNELS.index(channel) + 1]


def source_name(channel: str) -> str:
    """Return the name of a channel's source."""
    return NAME if channel == CHANNELS[0] else f"{NAME}-{channel}"


def source_file(family: str, channel: str) -> str:
    """Return the path of apt's or dnf's source of a channel on a host."""
    name = source_name(channel)
    return f"/etc/yum.repos.d/{name}.repo" if family == "rpm" else f"/etc/apt/sources.list.d/{name}.sources"


def source_text(family: str, url: str, channel: str) -> str:
    """Return the source of a channel; the repository is in ``apt`` and ``rpm/CHANNEL`` below ``url``."""
    url = url.rstrip("/")
    if family == "rpm":
        lines = [f"[{source_name(channel)}]", f"name={NAME} ({channel})", f"baseurl={url}/rpm/{channel}", "enabled=1"]
        lines += ["gpgcheck=1", "repo_gpgcheck=1", f"gpgkey=file://{KEY_FILES['rpm']}"]
    else:
        lines = ["Types: deb", f"URIs: {url}/apt", f"Suites: {channel}", "Components: main"]
        lines += [f"Signed-By: {KEY_FILES['deb']}"]
    return "\n".join((*lines, ""))
