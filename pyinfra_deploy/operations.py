"""Operations that pyinfra 3.10 lacks: exact versions through apt-get and dnf, secrets, health.

Each operation compares first and yields commands only if something differs, so that a second run reports no change.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakSet

from pyinfra.api.command import FileUploadCommand, StringCommand
from pyinfra.api.operation import OperationMeta, operation
from pyinfra.context import host

from pyinfra_deploy import script
from pyinfra_deploy.data import SECRETS_FOLDER, secret_text
from pyinfra_deploy.facts import (
    SETTINGS_FILE,
    Check,
    HostSettings,
    Installed,
    InstalledPackage,
    IsApplied,
    PackagedFiles,
    PlacedFiles,
)
from pyinfra_deploy.repository import NAME

CACHE = f"/var/cache/{NAME}"
SPARE_KIB = 64
BEGIN, END = "# BEGIN deploy: set from the inventory, changed at the next deploy", "# END deploy"
INSTALL_SECONDS = 900
_health_checks: WeakSet[OperationMeta] = WeakSet()
Commands = Generator[StringCommand | FileUploadCommand, None, None]


def is_fine(check: Mapping[str, Any] | None, may_break: Iterable[str], must_be_ok: Iterable[str]) -> bool:
    """Return whether a host is healthy: only links in ``may_break`` are broken, and those in ``must_be_ok`` are ok."""
    if not check:
        return False
    bad = {link["name"] for link in check["links"] if link["state"] == "broken"} - set(may_break)
    return not bad and not [link for link in check["links"] if link["name"] in must_be_ok and link["state"] != "ok"]


def run_script(name: str, *arguments: str, **options: Any) -> StringCommand:
    """Return the command that runs one of our scripts with these arguments."""
    return StringCommand(script.command(name, *arguments), **options)


def package_version(path: Path, family: str) -> str:
    """Return the version in a package's file name."""
    if family == "rpm":
        return path.name.removeprefix(f"{NAME}-").removesuffix(".noarch.rpm")
    return path.name.removeprefix(f"{NAME}_").removesuffix("_all.deb")


def local_package(folder: str, family: str) -> Path:
    """Return the newest package of the family in ``folder``."""
    pattern = f"{NAME}-*.noarch.rpm" if family == "rpm" else f"{NAME}_*_all.deb"
    packages = sorted(Path(folder).glob(pattern), key=lambda path: path.stat().st_mtime)
    if not packages:
        raise FileNotFoundError(f"{folder} contains no {pattern}; ./inv build makes one")
    return packages[-1]


@operation()
def install_local(package: str, version: str, extra: tuple[str, ...] = (), manager: str = "") -> Commands:
    """Install exactly this package file, with its dependencies."""
    have = host.get_fact(InstalledPackage, manager=manager)
    if have.version == version:
        host.noop(f"{NAME} {version} is installed")
        return
    target = f"{CACHE}/{Path(package).name}"
    digest = hashlib.sha256(Path(package).read_bytes()).hexdigest()
    yield run_script("room.sh", CACHE, str(Path(package).stat().st_size // 1024 + SPARE_KIB))
    yield FileUploadCommand(package, target)
    yield run_script("received.sh", target, digest)
    yield run_script("install.sh", have.family, target, *extra, _timeout=INSTALL_SECONDS)
    yield StringCommand("rm", "-f", target)


def is_version(have: Installed, version: str) -> bool:
    """Return whether the host has the version; an rpm's revision matters only if ``version`` contains one."""
    installed = have.version
    if have.family == "rpm" and "-" not in version:
        installed = installed.partition("-")[0]
    return installed == version


@operation()
def install_version(version: str, extra: tuple[str, ...] = (), manager: str = "") -> Commands:
    """Install exactly this version from the repository."""
    have = host.get_fact(InstalledPackage, manager=manager)
    if is_version(have, version):
        host.noop(f"{NAME} {version} is installed")
        return
    name = f"{NAME}-{version}" if have.family == "rpm" else f"{NAME}={version}"
    yield run_script("install.sh", have.family, name, *extra, _timeout=INSTALL_SECONDS)


@operation()
def text_file(path: str, text: str) -> Commands:
    """Write a file that everybody may read (0644 root:root), atomically."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    if host.get_fact(PlacedFiles, paths=(path,)).get(path) == f"644 root:root {digest}":
        host.noop(f"{path} is up to date")
        return
    yield writing(path, text, mode="0644", owner="root:root")


@operation()
def secret_file(path: str, source: str) -> Commands:
    """Write a secret for Consul; it is passed on standard input, so no argument, diff or log contains it."""
    text = secret_text(Path(source))
    have = host.get_fact(PlacedFiles, paths=(path,))
    # Before Consul is installed its group does not exist, so only root may read the file.
    owner, mode = ("root:consul", "640") if "group" in have else ("root:root", "600")
    if have.get(path) == f"{mode} {owner} {hashlib.sha256(text.encode()).hexdigest()}":
        host.noop(f"{path} is up to date")
        return
    group = owner.partition(":")[2]
    yield run_script("folder.sh", SECRETS_FOLDER, group)
    yield writing(path, text, mode=mode, owner=owner)


def writing(path: str, text: str, *, mode: str, owner: str) -> StringCommand:
    """Return the command that replaces the file's content."""
    return run_script("write.sh", path, mode, owner, _stdin=text)


@operation()
def absent(paths: tuple[str, ...]) -> Commands:
    """Remove files of an earlier deploy that the inventory no longer names; keep files of packages."""
    existing = tuple(path for path in paths if path in host.get_fact(PlacedFiles, paths=paths)) if paths else ()
    packaged = host.get_fact(PackagedFiles, paths=existing) if existing else []
    ours = [path for path in existing if path not in packaged]
    if ours:
        yield StringCommand("rm", "-f", shlex.join(ours))


def with_block(text: str, lines: Iterable[str]) -> str:
    """Return the host's file with our lines at its end, where they win, and all other lines unchanged."""
    kept, ours = [], False
    for line in text.splitlines():
        ours = ours or line == BEGIN
        if not ours:
            kept.append(line)
        ours = ours and line != END
    block = [BEGIN, *lines, END] if lines else []
    return "".join(f"{line}\n" for line in [*kept, *block])


@operation()
def settings_block(lines: tuple[str, ...]) -> Commands:
    """Set our lines in the host's file; keep an administrator's lines, and the file's mode and owner."""
    former = host.get_fact(HostSettings)
    text = with_block(former, lines)
    if text.rstrip() == former.rstrip():
        host.noop(f"{SETTINGS_FILE} is up to date")
        return
    yield run_script("settings-write.sh", SETTINGS_FILE, _stdin=text)


@operation()
def apply(paths: tuple[str, ...], after: tuple[OperationMeta, ...] = ()) -> Commands:
    """Apply settings and secrets; the host restarts only the programs whose settings have changed.

    This also runs after a deploy that was interrupted between writing and applying, because the host's files show it.
    """
    # A start of Consul that read the former lines may touch its mark after we wrote, so our own changes count first.
    has_written = any(meta.did_change() if host.state.is_executing else meta.will_change for meta in after)
    if has_written or not host.get_fact(IsApplied, paths=paths):
        yield StringCommand(f"{NAME} apply", _timeout=120)
    else:
        host.noop("the settings are applied")


@operation()
def healthy(patience: int, may_break: tuple[str, ...], must_be_ok: tuple[str, ...]) -> Commands:
    """Wait until the host's own check finds nothing broken; fail with its lines when ``patience`` is over.

    systemd's state of a unit is not enough, because a unit counts as started even if it crashes a second later.
    """
    is_restarting = host.state.is_executing and host_changed()
    if not is_restarting and is_fine(host.get_fact(Check), may_break, must_be_ok):
        host.noop("the host is healthy")
        return
    may, must = json.dumps(list(may_break)), json.dumps(list(must_be_ok))
    yield run_script("healthy.py", str(patience), may, must, _timeout=patience + 60)


def mark_as_health_check(meta: OperationMeta) -> None:
    """Mark an operation as a health check: a host where it fails counts as unhealthy, not as failed."""
    _health_checks.add(meta)


def is_health_check(meta: OperationMeta) -> bool:
    """Return whether an operation is marked as a health check."""
    return meta in _health_checks


def host_changed() -> bool:
    """Return whether an earlier operation of this run has changed the host."""
    ops = host.state.ops[host].values()
    return any(op.operation_meta.is_complete() and op.operation_meta.did_change() for op in ops)


@operation()
def remove(purge: bool = False, manager: str = "") -> Commands:
    """Remove the package; keep its dependencies, Consul and Docker."""
    have = host.get_fact(InstalledPackage, manager=manager)
    if not have.version:
        host.noop(f"{NAME} is not installed")
        return
    yield run_script("remove.sh", have.family, "purge" if purge else "remove", NAME, _timeout=INSTALL_SECONDS)
