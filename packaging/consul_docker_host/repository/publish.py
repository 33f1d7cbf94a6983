"""Serve ``inv repo`` and ``inv repo.key``: publish dist/ with the settings' keys, and create keys."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.core.report import say, stage, table
from consul_docker_host.core.workspace import Workspace, fresh_folder, only_one
from consul_docker_host.package.archive_sources import CHANNELS, KEY_NAME
from consul_docker_host.package.plans import make_keyring_plan
from consul_docker_host.repository.archive import Published, check_channel, publish, served_folder
from consul_docker_host.repository.signing import NEW_KEY_HINT, Key, find_secret, make_key, signer
from consul_docker_host.settings.model import Settings

SOON = timedelta(days=180)
WARNING = """
{folder} holds the secret key of the archive, without a passphrase. Whoever has it can install anything on every host
that trusts it. Keep the directory off machines that build and test, and out of every checkout, image and backup that
others can read. Make one copy now, offline: if the key is lost, every host has to be changed.
"""


def check_options(*, channel: str, key: str) -> None:
    """Raise one BuildError with every mistake in the options of a publication; an empty option is not given."""
    mistakes = Mistakes()
    with mistakes.collected():
        if channel:
            check_channel(channel)
    with mistakes.collected():
        if key:
            find_secret(key)
    mistakes.refuse()


def publish_dist(work: Workspace, settings: Settings, *, channel: str, key: str, with_consul: bool) -> None:
    """Add the packages of dist/ to a channel of dist/repository/ and print its content."""
    with only_one(work):
        plan = make_keyring_plan(settings, work)
        if plan is None:
            reason = "repository.key_file: is empty, but a repository must be signed"
            raise BuildError(reason, hint=f"{NEW_KEY_HINT} in the settings")
        repository = plan.repository
        wanted = channel or repository.channel
        source = str(repository.key_file)
        with fresh_folder(work) as folder, signer(repository.key, source, key) as signing, stage("publishing"):
            published = publish(work, repository, signing, Path(folder), channel=wanted, with_consul=with_consul)
    for line in summary(work, published, wanted):
        say(line)
    say(f"signed by {', '.join(signing_key.fingerprint for signing_key in signing.keys)}")
    for line in warnings(signing.keys, now=time.time()):
        say(line)
    if with_consul:
        say("contains Consul: for internal use only, its licence (BUSL) forbids publishing it")


def warnings(keys: Sequence[Key], *, now: float) -> Iterator[str]:
    """Yield a line for each key that hosts will soon refuse, because a new key needs time to reach all hosts."""
    for key in keys:
        if 0 < key.expires < now + SOON.total_seconds():
            remedy = "./inv repo.key --add makes the next one; hosts need time to get it"
            yield f"{key.fingerprint} expires on {key.end}: {remedy}"


def summary(work: Workspace, published: Published, channel: str) -> tuple[str, ...]:
    """Return the lines that list the new packages and the channels' sizes."""
    directory = served_folder(work).relative_to(work.root)
    if not published.is_changed:
        return (f"up to date: {directory}/ has not changed",)
    counts = [(name, *(str(len(published.items[f"{kind}/{name}"])) for kind in ("apt", "rpm"))) for name in CHANNELS]
    new = [f"new in {channel}: {name}" for name in published.added] or [f"nothing new in {channel}; indices refreshed"]
    return (*new, *table((f"{directory}/", "debs", "rpms"), counts))


def make_archive_key(work: Workspace, *, folder: str, add: bool) -> None:
    """Create a key of the archive in a directory outside the checkout, and print how to keep it."""
    if not folder:
        raise BuildError("--folder: is missing", hint="give a directory outside the checkout for the secret key")
    keys = make_key(work, Path(folder), add=add)
    rows = [(key.fingerprint, f"RSA {key.bits}", key.end, key.user) for key in keys]
    for line in table(("key", "type", "expires", "user"), rows):
        say(line)
    say(WARNING.format(folder=folder))
    say(f'in the settings: [repository] key_file = "{Path(folder).absolute() / KEY_NAME}" (or a copy in the checkout:')
    say(f"it is public); then ./inv build and ./inv repo --key {folder}")
