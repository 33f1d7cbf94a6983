"""Read files with one secret or certificate each; a fault is reported by key and file, never with the content."""

from __future__ import annotations

import grp
import os
import re
import stat

from host_program.settings import WRONG, Host

# The longest valid file is a bundle of authorities; a longer file is neither a key nor a certificate.
LENGTH_LIMIT = 8 * 1024 * 1024
GOSSIP_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{32}|[A-Za-z0-9+/]{43}=")
TOKEN = re.compile(rb"[!-~]+")
PRIVATE_KEY = re.compile(rb"-BEGIN .*PRIVATE KEY-")


def file_fault(host: Host, name: str) -> str:
    """Return why the file that the key names cannot be used; empty if it can, or if the key is empty."""
    place = host.values[name]
    if not place:
        return ""
    if place == WRONG:
        return "the line has a mistake"
    try:
        content = read_secret(host, name)
    except FileNotFoundError:
        return f"{place} does not exist"
    except IsADirectoryError:
        return f"{place} is not a file"
    except OSError:
        return f"{place} cannot be read"
    reason = "is empty" if not content.strip() else _content_fault(host.built_in.keys[name].kind, content)
    return f"{place} {reason}" if reason else ""


def read_secret(host: Host, name: str) -> bytes:
    """Return the content of the file that the key names; raise IsADirectoryError unless it is a regular file."""
    path = host.path(host.values[name])
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise IsADirectoryError(path)
    with open(path, "rb") as file:
        return file.read(LENGTH_LIMIT)


def read_word(host: Host, name: str) -> str:
    """Return the only word of the file that the key names, without blanks and line ends, also those of Windows."""
    return b"".join(read_secret(host, name).split()).decode("ascii")


def file_warning(host: Host, name: str) -> str:
    """Return a warning with its remedy if users other than root and Consul can read the key's file; else empty."""
    place = host.values[name]
    if place in {"", WRONG} or host.built_in.keys[name].kind == "certificate-file":
        return ""
    try:
        status = os.stat(host.path(place))
    except OSError:
        return ""
    if not stat.S_ISREG(status.st_mode) or not _is_open(status):
        return ""
    return f"users other than root and Consul can read {place}: chown root:consul {place}; chmod 0640 {place}"


def _is_open(status: os.stat_result) -> bool:
    if status.st_mode & 0o007:
        return True
    if not status.st_mode & 0o070:
        return False
    try:
        return grp.getgrgid(status.st_gid).gr_name not in {"root", "consul"}
    except KeyError:
        return True


def _content_fault(kind: str, content: bytes) -> str:
    if kind == "certificate-file":
        return "" if b"-BEGIN CERTIFICATE-" in content else "contains no certificate (PEM)"
    if kind == "private-key-file":
        return "" if PRIVATE_KEY.search(content) else "contains no private key (PEM)"
    words = content.split()
    if kind == "gossip-key-file":
        is_key = GOSSIP_KEY.fullmatch(b"".join(words))
        return "" if is_key else 'is not the base64 of 16, 24 or 32 bytes, as "consul keygen" prints it'
    if len(words) > 1:
        return "contains more than one token"
    return "" if TOKEN.fullmatch(words[0]) else "contains a character that no token has"
