"""How a host is told of a package repository: deb822 for apt, an ini file for dnf; the key only for this one."""

from __future__ import annotations


def apt_source(url: str, channel: str, key_file: str) -> str:
    """Return the .sources file; the folder ``apt`` below ``url`` holds the repository."""
    return f"Types: deb\nURIs: {url.rstrip('/')}/apt\nSuites: {channel}\nComponents: main\nSigned-By: {key_file}\n"


def dnf_source(url: str, channel: str, key_file: str) -> str:
    """Return the .repo file; the folder ``rpm/CHANNEL`` below ``url`` holds the repository."""
    return (
        "[consul-docker-host]\nname=consul-docker-host\n"
        f"baseurl={url.rstrip('/')}/rpm/{channel}\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://{key_file}\n"
    )
