"""Create, find and use the archive's keys through gpg. Only this module runs gpg and rpmsign.

gpg's home is outside the checkout: the given directory of keys, a temporary one for a key in a file, or the user's own
with its agent or card. Keys must be RSA with SHA-256 or better, because Debian 13's sqv and Enterprise Linux 9 refuse
anything weaker.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.run import find_program, run
from consul_docker_host.core.workspace import PROJECT, Workspace, write_text
from consul_docker_host.package.archive_sources import KEY_NAME

RSA = "1"  # OpenPGP's number of the algorithm (RFC 4880, 9.1)
LEAST_BITS = 3072
KEY_TYPE = "rsa4096"
LIFE = "5y"
DIGEST = "SHA256"
GPG = ("gpg", "--batch", "--no-tty", "--quiet", "--digest-algo", DIGEST, "--cert-digest-algo", DIGEST)
# The path of the longest socket in it, S.gpg-agent.browser, must not be longer than 107 bytes.
LONGEST_HOME = 80
SIGN_SECONDS = 600.0
NEW_KEY_HINT = "./inv repo.key --folder DIR makes a key; then name DIR/" + KEY_NAME
SIGN_HINT = "give the file or directory with the secret key as --key, or import it into your own gpg keyring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key: ``algorithm`` is OpenPGP's number, ``expires`` in seconds since 1970 (0: never)."""

    fingerprint: str
    user: str
    algorithm: str
    bits: int
    expires: int
    is_revoked: bool

    @property
    def has_ended(self) -> bool:
        """Whether it is no longer valid."""
        return self.is_revoked or 0 < self.expires <= time.time()

    @property
    def end(self) -> str:
        """Its last day, or "never" or "revoked"."""
        if self.is_revoked:
            return "revoked"
        return f"{datetime.fromtimestamp(self.expires, tz=UTC):%Y-%m-%d}" if self.expires else "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The signing keys in the archive's order, and gpg's environment; an empty one means the user's own home."""

    keys: tuple[Key, ...]
    environment: dict[str, str]

    def _sign(self, *arguments: str, text: str) -> str:
        users = [word for key in self.keys for word in ("--local-user", f"{key.fingerprint}!")]
        return run([*GPG, "--armor", *users, *arguments], env=self.environment, stdin=text, hint=SIGN_HINT).stdout

    def clearsigned(self, text: str) -> str:
        """Return the text signed in place by every key."""
        return self._sign("--clearsign", text=text)

    def signature(self, text: str) -> str:
        """Return the detached signatures of every key."""
        return self._sign("--detach-sign", text=text)

    def sign_rpms(self, paths: Sequence[Path]) -> None:
        """Sign rpms in place, only with the first key, because an rpm has one signature."""
        if not paths:
            return
        if not find_program("rpmsign"):
            raise BuildError("rpmsign is not installed, but every rpm must be signed", hint="apt-get install rpm")
        # Debian's rpm looks for gpg at a path where Debian does not install it.
        defines = {"__gpg": str(find_program("gpg")), "_gpg_name": self.keys[0].fingerprint}
        defines["_gpg_digest_algo"] = DIGEST.lower()
        home = self.environment.get("GNUPGHOME", "")
        if home:
            defines["_gpg_path"] = home
        options = [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
        argv = ["rpmsign", "--addsign", *options, *map(str, paths)]
        # ~/.rpmmacros may name another key.
        run(argv, env={"HOME": home, **self.environment} if home else self.environment, hint=SIGN_HINT)


def demand_gpg() -> None:
    """Raise BuildError if gpg is not installed."""
    if not find_program("gpg"):
        raise BuildError("gpg is not installed, but a repository must be signed", hint="apt-get install gpg gpg-agent")


def read_keys(armour: str) -> tuple[Key, ...]:
    """Return the keys in an ASCII armour, in its order."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        argv = [*GPG, "--homedir", home, "--with-colons", "--show-keys"]
        return parse_keys(run(argv, stdin=armour, check=False).stdout)


def parse_keys(listing: str) -> tuple[Key, ...]:
    """Return the primary keys of gpg's listing with colons (doc/DETAILS of GnuPG)."""
    keys: list[Key] = []
    record: list[str] = []
    fingerprint = ""
    for line in listing.splitlines():
        fields = line.split(":")
        if fields[0] in {"pub", "sec"}:
            record, fingerprint = fields, ""
        elif fields[0] == "fpr" and record and not fingerprint:
            fingerprint = fields[9]
        elif fields[0] == "uid" and record:
            keys.append(
                Key(
                    fingerprint=fingerprint,
                    user=fields[9],
                    algorithm=record[3],
                    bits=int(record[2]),
                    expires=int(record[6] or 0),
                    is_revoked=record[1] == "r",
                )
            )
            record = []
    return tuple(keys)


@contextlib.contextmanager
def signer(armour: str, source: str, secret: str) -> Iterator[Signer]:
    """Yield the signer for the public keys in ``armour``, the content of the file ``source``.

    ``secret`` is a home directory of gpg's, a file with secret keys, or empty for the user's own gpg.
    """
    demand_gpg()
    public = usable(read_keys(armour), source)
    with gpg_home(secret) as environment:
        secret_keys = secret_fingerprints(public, environment)
        keys = tuple(key for key in public if key.fingerprint in secret_keys)
        if not keys:
            names = ", ".join(key.fingerprint for key in public)
            origin = f"--key {secret}" if secret else "your own gpg"
            raise BuildError(f"{origin}: has no secret key for {names}, the public key in {source}", hint=SIGN_HINT)
        yield Signer(keys=keys, environment=environment)


def usable(keys: tuple[Key, ...], source: str) -> tuple[Key, ...]:
    """Return the keys that can sign today; raise BuildError if none can, or if one is too weak."""
    if not keys:
        raise BuildError(f"repository.key_file: {source}: gpg finds no key in it", hint=NEW_KEY_HINT)
    weak = [key for key in keys if key.algorithm != RSA or key.bits < LEAST_BITS]
    if weak:
        fingerprints = ", ".join(key.fingerprint for key in weak)
        reason = f"is not an RSA key of {LEAST_BITS} bits or more, which some systems require"
        raise BuildError(f"repository.key_file: {source}: {fingerprints} {reason}", hint=NEW_KEY_HINT)
    current = tuple(key for key in keys if not key.has_ended)
    if not current:
        ends = ", ".join(f"{key.fingerprint} ({key.end})" for key in keys)
        hint = "gpg --quick-set-expire FINGERPRINT 5y, then export the public key again; or make a new one"
        raise BuildError(f"repository.key_file: {source}: expired or revoked: {ends}", hint=hint)
    return current


def find_secret(secret: str) -> Path:
    """Return the file or directory that --key names."""
    path = Path(secret).absolute()
    if not path.exists():
        raise BuildError(f"--key {secret}: no such file or directory", hint=SIGN_HINT)
    return path


@contextlib.contextmanager
def gpg_home(secret: str) -> Iterator[dict[str, str]]:
    """Yield the environment in which gpg finds the secret keys, and end the agent that gpg starts for them."""
    if not secret:
        yield {name: os.environ[name] for name in ("GNUPGHOME",) if name in os.environ}
        return
    path = find_secret(secret)
    with short_home(path if path.is_dir() else None) as environment:
        if path.is_file():
            run(
                [*GPG, "--import", str(path)],
                env=environment,
                hint=f"--key {secret}: give a file with secret keys, or a directory",
            )
        yield environment


@contextlib.contextmanager
def short_home(folder: Path | None = None) -> Iterator[dict[str, str]]:
    """Yield the environment of a home of gpg's, an empty one or ``folder``, and end its agent with its last user.

    The agent's sockets are in its home, and the path of a socket has at most 107 bytes. A directory with a longer path
    therefore gets a short symbolic link and one user at a time. In all others several users share the agent and a lock.
    """
    with tempfile.TemporaryDirectory(prefix="gpg-") as temporary:
        home, is_shared = Path(temporary, "home"), False
        if folder is None:
            home.mkdir(mode=0o700)
        elif len(os.fsencode(folder)) <= LONGEST_HOME:
            home, is_shared = folder, True
        else:
            home.symlink_to(folder)
        environment = {"GNUPGHOME": str(home)}
        busy = (
            f"{home.resolve()}: another program has been signing with it for more than {SIGN_SECONDS / 60:.0f} minutes"
        )
        lock = Lock(home, busy=busy, waiting="waiting for another program that signs ...", seconds=SIGN_SECONDS)
        try:
            lock.acquire(shared=is_shared)
            yield environment
        finally:
            if lock.try_acquire():
                end_agent(environment)
            lock.release()


def end_agent(environment: dict[str, str]) -> None:
    """End the agent that gpg started for one of our homes."""
    run(["gpgconf", "--kill", "gpg-agent"], env=environment, check=False)


def secret_fingerprints(keys: Sequence[Key], environment: dict[str, str]) -> set[str]:
    """Return the fingerprints of the keys that gpg can sign with."""
    argv = [*GPG, "--with-colons", "--list-secret-keys", *(key.fingerprint for key in keys)]
    listed = run(argv, env=environment, check=False).stdout
    # The 15th field is "#" where only the public part is known.
    parts = [part for part in listed.split("sec:")[1:] if part.split(":")[13] != "#"]
    return {key.fingerprint for part in parts for key in parse_keys(f"sec:{part}")}


def verify_signature(file: Path, signature: Path, key: Path) -> None:
    """Raise BuildError unless ``signature`` is a valid one of ``file``, by a current key in the file ``key``."""
    demand_gpg()
    with short_home() as environment:
        run([*GPG, "--import", str(key)], env=environment, check=False)
        argv = [*GPG, "--status-fd", "1", "--verify", str(signature), str(file)]
        result = run(argv, env=environment, check=False)
    # gpg exits with 0 also for a good signature by an expired key.
    if result.returncode or "[GNUPG:] GOODSIG " not in result.stdout:
        reason = "\n".join(line for line in result.stderr.splitlines() if line.startswith("gpg: "))
        raise BuildError(f"{file}: is not signed by a key in {key}\n{reason}", hint="do not use these files")


def make_key(work: Workspace, folder: Path, *, add: bool) -> tuple[Key, ...]:
    """Create a key in ``folder``, export the public part of all its keys there, and return them, oldest first.

    A directory that already contains a key gets a second one only with ``add``.
    """
    demand_gpg()
    home = folder.absolute()
    if home.resolve().is_relative_to(work.root.resolve()):
        raise BuildError(
            f"--folder {folder}: is in the checkout", hint="keep the secret key outside, so that nobody commits it"
        )
    if home.exists() and not home.is_dir():
        raise BuildError(f"--folder {folder}: is a file", hint="give a directory; it is created if missing")
    if (home / KEY_NAME).exists() != add:
        reason = (
            f"--folder {folder}: already contains a key"
            if not add
            else f"--folder {folder}: contains no key to add one to"
        )
        hint = "--add creates a second key, for key rotation" if not add else "leave out --add to create the first one"
        raise BuildError(reason, hint=hint)
    if home.exists() and not add and any(home.iterdir()):
        raise BuildError(f"--folder {folder}: is not empty", hint="give a new directory")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o700)
    try:
        with short_home(home) as environment:
            user = f"{PROJECT} archive ({datetime.now(tz=UTC):%Y-%m-%d})"
            generate = ["--yes", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key"]
            run([*GPG, *generate, user, KEY_TYPE, "sign,cert", LIFE], env=environment)
            public = run([*GPG, "--armor", "--export"], env=environment).stdout
    except BaseException:
        if not add:
            shutil.rmtree(home, ignore_errors=True)
        raise
    write_text(home / KEY_NAME, public)
    return read_keys(public)
