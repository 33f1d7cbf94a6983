"""The deploy of a Consul Docker host, for import: ``from pyinfra_deploy.host import consul_docker_host``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyinfra.api.deploy import deploy
from pyinfra.api.operation import OperationMeta
from pyinfra.context import host

from pyinfra_deploy import operations
from pyinfra_deploy.data import DEFAULTS, SECRETS, SECRETS_FOLDER, secret_target, settings_lines
from pyinfra_deploy.facts import SETTINGS_FILE, InstalledPackage
from pyinfra_deploy.repository import CHANNELS, KEY_FILES, channels, source_file, source_text

INSTALL = "Install the package"


def host_data() -> dict[str, Any]:
    """Return the host's data, with our defaults for missing keys."""
    return DEFAULTS | {key: value for key, value in host.data.dict().items() if key in DEFAULTS}


@deploy("Consul Docker host", data_defaults=DEFAULTS)
def consul_docker_host() -> None:
    """Install the package, write secrets and settings, apply them, and wait until the host is healthy."""
    data = host_data()
    done = [install(data)]
    placed = {secret_target(name): str(data[name]) for name in SECRETS if data[name]}
    for target, source in placed.items():
        done.append(operations.secret_file(path=target, source=source, name=f"Write {Path(target).name}"))
    done.append(operations.settings_block(lines=settings_lines(data), name="Set what differs between hosts"))
    removed = tuple(secret_target(name) for name in SECRETS if not data[name])
    done.append(operations.absent(paths=removed, name="Remove secrets that are no longer named"))
    operations.apply(paths=(SETTINGS_FILE, *placed), after=tuple(done), name="Apply the settings")
    health = operations.healthy(
        patience=data["cdh_patience"],
        may_break=tuple(data["cdh_may_break"]),
        must_be_ok=must_be_ok(data),
        name="Wait until the host is healthy",
    )
    operations.mark_as_health_check(health)


def install(data: dict[str, Any]) -> OperationMeta:
    """Install the version from the repository, or the local package if the data name no repository."""
    manager, extra = data["cdh_manager"], tuple(data["cdh_extra_packages"])
    # Steps may branch on this fact, because a host's package manager never changes.
    family = host.get_fact(InstalledPackage, manager=manager).family
    if not data["cdh_repository_url"]:
        package = operations.local_package(data["cdh_packages"], family)
        version = operations.package_version(package, family)
        return operations.install_local(
            package=str(package), version=version, extra=extra, manager=manager, name=INSTALL
        )
    key = Path(data["cdh_repository_key"]).read_text(encoding="utf-8")
    operations.text_file(path=KEY_FILES[family], text=key, name="Trust the archive's key")
    wanted = channels(data["cdh_channel"])
    for channel in wanted:
        text = source_text(family, data["cdh_repository_url"], channel)
        operations.text_file(path=source_file(family, channel), text=text, name=f"Add the channel {channel}")
    left = tuple(source_file(family, channel) for channel in CHANNELS if channel not in wanted)
    operations.absent(paths=left, name="Remove channels that are no longer named")
    return operations.install_version(version=data["cdh_version"], extra=extra, manager=manager, name=INSTALL)


def must_be_ok(data: dict[str, Any]) -> tuple[str, ...]:
    """Return the links where a warning is not enough: a host with a cluster must have joined it."""
    return ("joined",) if data["cdh_join"] or data["cdh_role"] == "server" else ()


@deploy("Consul Docker host, removed", data_defaults=DEFAULTS)
def consul_docker_host_removed() -> None:
    """Remove the package and the files that a deploy has written."""
    data = host_data()
    operations.settings_block(lines=(), name="Remove the settings")
    operations.remove(purge=data["cdh_purge"], manager=data["cdh_manager"], name="Remove the package")
    operations.absent(paths=tuple(map(secret_target, SECRETS)), name=f"Remove the secrets in {SECRETS_FOLDER}")
    sources = tuple(source_file(family, channel) for family in KEY_FILES for channel in CHANNELS)
    operations.absent(paths=(*sources, *KEY_FILES.values()), name="Remove the repository")
