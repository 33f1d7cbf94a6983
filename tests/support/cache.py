"""What the test beds would use of the cache today, as JSON for `./inv cache`; with --prune, former images are removed.

`consul_docker_host/prove/cache.py` starts it as a program, because the builder does not import the tests.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import docker
from docker.errors import APIError

from consul_docker_host.core.workspace import ROOT, content_key
from consul_docker_host.prove.distributions import Family, read_distributions
from tests.deploy.kit import SSHD
from tests.repository.client import client_recipe
from tests.support.containers.engine import answering, own_engine, running_engine
from tests.support.containers.images import REPOSITORY, Recipe, bare_recipe, last_use, system_recipe
from tests.support.machines.disk import disk_name
from tests.support.machines.musl import program_name
from tests.support.machines.snapshot import current_keys
from tests.support.programs.registrator import standin_name
from tests.support.rpm.system import rpm_recipe

# What stories have in their hosts beside the system; a recipe that is missing here is listed as unknown, and kept.
MORE: tuple[tuple[str, ...], ...] = ((), SSHD, (*SSHD, "python3"), ("cloud-init",))
KEYS_VERSION = "2"  # of tests/repository/site.py
# NAME-KEY of the base, then -NAME-KEY of each image that was made from it.
TAG = re.compile(rf"{REPOSITORY}:(?P<name>.+?)-(?P<key>[0-9a-f]{{12}})(?P<derived>-.+)?")
DAY = 86400.0


def recipes() -> Iterator[Recipe]:
    """Yield every recipe that mmdebstrap makes a base of."""
    for distribution in read_distributions():
        if not distribution.suite:
            continue
        make = rpm_recipe if distribution.family is Family.RPM else system_recipe
        yield from (make(distribution, *more) for more in MORE)
        if distribution.family is Family.DEB:
            yield bare_recipe(distribution)
            yield client_recipe(distribution)


def source_key(name: str) -> str:
    """Return the key of a program that tests/image builds from its pinned source."""
    folder = ROOT / "tests" / "support" / "programs" / name
    return content_key([path.read_bytes() for path in sorted(folder.iterdir())])[:12]


def rooms() -> dict[str, dict[str, Any]]:
    """Return what each room of the cache would be asked for today."""
    disks = [disk_name(one) for one in read_distributions() if one.suite and one.family is Family.DEB]
    return {
        "cloud-init": {"current": ["library"], "is_all": True},
        "ignition-source": {"current": [source_key("ignition-source")], "is_all": True},
        "images": {"current": [*(f"{recipe.name}-{recipe.key}.tar" for recipe in recipes()), "used"], "is_all": False},
        "packer-source": {"current": [source_key("packer-source")], "is_all": True},
        "registrator": {"current": [standin_name()], "is_all": True},
        "repository-keys": {"current": [KEYS_VERSION], "is_all": True},
        "vm": {"current": [*disks, program_name(), *current_keys()], "is_all": False},
    }


def images(client: docker.DockerClient) -> list[dict[str, Any]]:
    """Return the engine's images of the tests with their states."""
    found: list[dict[str, Any]] = []
    for image in client.images.list(name=REPOSITORY):
        made = datetime.fromisoformat(str(image.attrs["Created"])).timestamp()
        size = int(image.attrs["Size"])
        found += [{"tag": tag, "size": size, "used": max(made, last_use(tag))} for tag in image.tags]
    states = states_of({str(one["tag"]): float(one["used"]) for one in found})
    return [one | {"state": states[str(one["tag"])]} for one in sorted(found, key=lambda one: str(one["tag"]))]


def states_of(tags: dict[str, float]) -> dict[str, str]:
    """Return the state of each image by its tag, given when each was last used.

    A derived image is of the same kind as those with the same parent and name; it is outdated when its base is, or
    when another of its kind was used a day later. So is an image whose recipe is not known here.
    """
    current = {recipe.tag for recipe in recipes()}
    names = {recipe.name for recipe in recipes()}
    newest: dict[str, float] = {}
    for tag, used in tags.items():
        newest[kind_of(tag)] = max(newest.get(kind_of(tag), 0.0), used)
    states = {}
    for tag, used in tags.items():
        found = TAG.fullmatch(tag)
        is_former = newest[kind_of(tag)] - used > DAY
        if not found or found["name"] not in names:
            states[tag] = "outdated" if is_former else "unknown"
        elif f"{REPOSITORY}:{found['name']}-{found['key']}" not in current:
            states[tag] = "outdated"
        else:
            states[tag] = "outdated" if found["derived"] and is_former else "current"
    # What is made from a former image is of no use either.
    former = [tag for tag, state in states.items() if state == "outdated"]
    return {
        tag: "outdated" if any(tag.startswith(f"{one}-") for one in former) else state for tag, state in states.items()
    }


def kind_of(tag: str) -> str:
    """Return a tag without its last key."""
    return re.sub(r"-[0-9a-f]{12}$", "", tag)


def remove_outdated(client: docker.DockerClient) -> None:
    """Remove what is outdated; the engine itself refuses what a container uses."""
    outdated = [str(one["tag"]) for one in images(client) if one["state"] == "outdated"]
    # The longest name first: an image is made from those whose names it begins with.
    for tag in sorted(outdated, key=len, reverse=True):
        with contextlib.suppress(APIError):
            client.images.remove(tag)


def main() -> None:
    """Print the answers."""
    found: list[dict[str, Any]] = []
    if "--prune" in sys.argv[1:]:
        with running_engine() as client:
            remove_outdated(client)
            found = images(client)
    elif client_now := answering(None) or own_engine().client():
        found = images(client_now)
        client_now.close()
    print(json.dumps({"rooms": rooms(), "images": found}))


if __name__ == "__main__":
    main()
