"""How a host is told of a package repository: deb822 for apt, a repo file for dnf; the key for this one alone.

Paths and bytes are those of the archive's keyring package, so that dpkg and rpm find nothing changed when it comes
later. The builder writes the same texts; this folder needs pyinfra alone, so a test keeps the two equal.
"""

from __future__ import annotations

NAME = "consul-docker-host"
CHANNELS = ("stable", "testing")
KEY_FILES = {
    "deb": f"/usr/share/keyrings/{NAME}-archive-keyring.asc",
    "rpm": f"/etc/pki/rpm-gpg/RPM-GPG-KEY-{NAME}",
}


def channels(channel: str) -> tuple[str, ...]:
    """Return the channels of a host that takes its packages from this one: testing comes on top of stable."""
    return CHANNELS[: CHANNELS.index(channel) + 1]


def source_name(channel: str) -> str:
    """Return the name of a channel's source."""
    return NAME if channel == CHANNELS[0] else f"{NAME}-{channel}"


def source_file(family: str, channel: str) -> str:
    """Return where apt's or dnf's source of a channel lies on a host."""
    name = source_name(channel)
    return f"/etc/yum.repos.d/{name}.repo" if family == "rpm" else f"/etc/apt/sources.list.d/{name}.sources"


def source_text(family: str, url: str, channel: str) -> str:
    """Return the source of a channel: ``apt`` and ``rpm/CHANNEL`` below ``url`` hold the repository."""
    url = url.rstrip("/")
    if family == "rpm":
        lines = [f"[{source_name(channel)}]", f"name={NAME} ({channel})", f"baseurl={url}/rpm/{channel}", "enabled=1"]
        lines += ["gpgcheck=1", "repo_gpgcheck=1", f"gpgkey=file://{KEY_FILES['rpm']}"]
    else:
        lines = ["Types: deb", f"URIs: {url}/apt", f"Suites: {channel}", "Components: main"]
        lines += [f"Signed-By: {KEY_FILES['deb']}"]
    return "\n".join((*lines, ""))
