"""Read the files that settings name, so that a missing one is reported together with all other mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from consul_docker_host.settings.model import Fault, Settings

ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


def missing_files(settings: Settings, root: Path) -> Iterator[Fault]:
    """Yield the faults of the files that settings name; paths are relative to the checkout."""
    try:
        archive_key(root, settings.repository.key_file)
    except ValueError as error:
        yield Fault("repository.key_file", str(error))


def archive_key(root: Path, key_file: str) -> str:
    """Return the archive's public keys as ASCII armour, empty without a file; raise ValueError for an unusable file."""
    if not key_file:
        return ""
    path = root / key_file
    try:
        key = path.read_text(encoding="ascii")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; export the public key: gpg --armor --export KEY") from error
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not ASCII; export the public key: gpg --armor --export KEY") from None
    if not key.startswith(ARMOUR):
        raise ValueError(f"{path} is not an ASCII-armoured public key; export it: gpg --armor --export KEY")
    if key.count(ARMOUR) > 1:
        remedy = "apt reads only the first; write one: gpg --armor --export KEY KEY"
        raise ValueError(f"{path} has more than one block of keys; {remedy}")
    return key
