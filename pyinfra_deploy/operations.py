"""Operations of our own where pyinfra 3.10 has holes: exact versions through apt-get and dnf, secrets, health.

Each compares and then yields; one that has nothing to do yields nothing, so that a second run reports no change.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

from pyinfra.api.command import FileUploadCommand, StringCommand
from pyinfra.api.operation import OperationMeta, operation
from pyinfra.context import host

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
BEGIN, END = "# BEGIN deploy: set from the inventory, changed at the next deploy", "# END deploy"
# Another apt or dnf at work is waited for; a dpkg that was cut short is led to its end first.
APT = (
    "export DEBIAN_FRONTEND=noninteractive; "
    "dpkg --configure --pending --force-confdef --force-confold && "
    "apt-get --yes -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
)
INSTALL_SECONDS = 900
Commands = Generator[StringCommand | FileUploadCommand, None, None]


def is_fine(check: Mapping[str, Any] | None, may_break: Iterable[str], must_be_ok: Iterable[str]) -> bool:
    """Tell whether a host is healthy: nothing is broken but what may be, and what must be ok is."""
    if not check:
        return False
    bad = {link["name"] for link in check["links"] if link["state"] == "broken"} - set(may_break)
    return not bad and not [link for link in check["links"] if link["name"] in must_be_ok and link["state"] != "ok"]


def install_command(family: str, targets: Iterable[str]) -> str:
    """Return what installs exactly these, newer or older; lists are fetched anew only where they do not suffice."""
    words = " ".join(shlex.quote(one) for one in targets)
    if family == "rpm":
        return f"dnf --assumeyes install {words} || dnf --assumeyes --refresh install {words}"
    return (
        f"{APT} install --allow-downgrades {words} || {{ apt-get update && {APT} install --allow-downgrades {words}; }}"
    )


def package_version(path: Path, family: str) -> str:
    """Return the version that a package's name tells."""
    if family == "rpm":
        return path.name.removeprefix(f"{NAME}-").removesuffix(".noarch.rpm")
    return path.name.removeprefix(f"{NAME}_").removesuffix("_all.deb")


def local_package(folder: str, family: str) -> Path:
    """Return the newest package of the family in the folder."""
    pattern = f"{NAME}-*.noarch.rpm" if family == "rpm" else f"{NAME}_*_all.deb"
    found = sorted(Path(folder).glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(f"{folder} holds no {pattern}: ./inv build makes it")
    return found[-1]


def room_command(size: int) -> str:
    """Return what makes the folder for the package; ssh's file transfer says only "Failure" where a disk is full."""
    needed = size // 1024 + 64
    return (
        f"mkdir -p -m 0755 {CACHE} && free=$(df -Pk {CACHE} | awk 'END {{ print $4 }}') && "
        f'if [ "$free" -lt {needed} ]; then '
        f'echo "no space left in {CACHE}: $free KiB are free, {needed} are needed" >&2; exit 1; fi'
    )


@operation()
def install_local(package: str, version: str, extra: tuple[str, ...] = (), manager: str = "") -> Commands:
    """Install exactly this package file, with what it depends on."""
    have = host.get_fact(InstalledPackage, manager=manager)
    if have.version == version:
        host.noop(f"{NAME} {version} is installed")
        return
    target = f"{CACHE}/{Path(package).name}"
    digest = hashlib.sha256(Path(package).read_bytes()).hexdigest()
    yield StringCommand(room_command(Path(package).stat().st_size))
    yield FileUploadCommand(package, target)
    yield StringCommand(
        f"chmod 0644 {target} && echo '{digest}  {target}' | sha256sum --check --quiet && "
        f"{{ {install_command(have.family, (target, *extra))}; }} && rm -f {target}",
        _timeout=INSTALL_SECONDS,
    )


def is_version(have: Installed, version: str) -> bool:
    """Tell whether the host has the version; an rpm's revision matters only where it is named."""
    found = have.version
    if have.family == "rpm" and "-" not in version:
        found = found.partition("-")[0]
    return found == version


@operation()
def install_version(version: str, extra: tuple[str, ...] = (), manager: str = "") -> Commands:
    """Install exactly this version from the repository."""
    have = host.get_fact(InstalledPackage, manager=manager)
    if is_version(have, version):
        host.noop(f"{NAME} {version} is installed")
        return
    name = f"{NAME}-{version}" if have.family == "rpm" else f"{NAME}={version}"
    yield StringCommand(install_command(have.family, (name, *extra)), _timeout=INSTALL_SECONDS)


@operation()
def text_file(path: str, text: str) -> Commands:
    """Write a file that everybody may read; 0644 root:root, in one step."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    if host.get_fact(PlacedFiles, paths=(path,)).get(path) == f"644 root:root {digest}":
        host.noop(f"{path} is right")
        return
    yield writing(path, text, mode="0644", owner="root:root")


@operation()
def secret_file(path: str, source: str) -> Commands:
    """Write a secret for Consul alone; it goes through standard input, so no argument, diff or log ever has it."""
    text = secret_text(Path(source))
    have = host.get_fact(PlacedFiles, paths=(path,))
    # Before Consul is installed its group is not there: then root alone may read.
    owner, mode = ("root:consul", "640") if "group" in have else ("root:root", "600")
    if have.get(path) == f"{mode} {owner} {hashlib.sha256(text.encode()).hexdigest()}":
        host.noop(f"{path} is right")
        return
    group = owner.partition(":")[2]
    yield StringCommand(f"mkdir -p {SECRETS_FOLDER} && chmod 0750 {SECRETS_FOLDER} && chgrp {group} {SECRETS_FOLDER}")
    yield writing(path, text, mode=mode, owner=owner)


def writing(path: str, text: str, *, mode: str, owner: str) -> StringCommand:
    """Return the command that puts a text in the file's place."""
    new = shlex.quote(f"{path}.new")
    return StringCommand(
        f"mkdir -p {shlex.quote(str(Path(path).parent))} && rm -f {new} && (umask 077 && cat >{new}) && "
        f"chown {owner} {new} && chmod {mode} {new} && mv -f {new} {shlex.quote(path)}",
        _stdin=text,
    )


@operation()
def absent(paths: tuple[str, ...]) -> Commands:
    """Remove what an earlier deploy placed and the inventory no longer names; what a package has brought stays."""
    there = tuple(path for path in paths if path in host.get_fact(PlacedFiles, paths=paths)) if paths else ()
    packaged = host.get_fact(PackagedFiles, paths=there) if there else []
    ours = [path for path in there if path not in packaged]
    if ours:
        yield StringCommand(f"rm -f {shlex.join(ours)}")


def with_block(text: str, lines: Iterable[str]) -> str:
    """Return the host's file with our lines last, where they win, and every other line as it was."""
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
    """Set the host's own lines; an administrator's stay as they are, and keep the file's mode and owner."""
    former = host.get_fact(HostSettings)
    text = with_block(former, lines)
    if text.rstrip() == former.rstrip():
        host.noop(f"{SETTINGS_FILE} is right")
        return
    new = f"{SETTINGS_FILE}.new"
    yield StringCommand(
        f"{{ cp -p {SETTINGS_FILE} {new} 2>/dev/null || install -m 0644 /dev/null {new}; }} && cat >{new} && "
        f"mv -f {new} {SETTINGS_FILE}",
        _stdin=text,
    )


@operation()
def apply(paths: tuple[str, ...], after: tuple[OperationMeta, ...] = ()) -> Commands:
    """Put settings and secrets into effect; the host restarts what runs on something else, and only that.

    Also after a run that was cut short between writing and applying: the host itself shows that it was.
    """
    # A start of Consul that read the former lines may leave its mark after we wrote: what we did counts first.
    has_written = any(one.did_change() if host.state.is_executing else one.will_change for one in after)
    if has_written or not host.get_fact(IsApplied, paths=paths):
        yield StringCommand(f"{NAME} apply", _timeout=120)
    else:
        host.noop("settings are in effect")


# Restarts are jobs of systemd's that the package does not wait for; before they are done an old answer would count.
WAIT = r"""
end=$(($(date +%s) + PATIENCE))
while :; do
    said=$(consul-docker-host check --json 2>/dev/null) || :
    bad=$(printf '%s' "$said" | jq -r --argjson may 'MAY' --argjson must 'MUST' '
        .links[] | .name as $n | select((.state == "broken" and ($may | index($n) | not)) or
            (.state != "ok" and ($must | index($n)))) | "\(.name): \(.text) -> \(.remedy)"' 2>&1) ||
        bad="no answer: $bad"
    [ -n "$said" ] || bad='check: gives no answer -> consul-docker-host check'
    jobs=$(systemctl list-jobs --no-legend consul.service dnsmasq.service registrator.service 2>/dev/null |
        grep -c -e stop -e restart) || :
    if [ -z "$bad" ] && [ "${jobs:-0}" = 0 ]; then exit 0; fi
    if [ "$(date +%s)" -ge "$end" ]; then printf '%s\n' "${bad:-a restart does not end}" >&2; exit 1; fi
    sleep 1
done
"""


@operation()
def healthy(patience: int, may_break: tuple[str, ...], must_be_ok: tuple[str, ...]) -> Commands:
    """Wait until the host's own check finds nothing broken; fail with the lines it names when patience is over.

    A service manager's answer would not do: it calls a unit started that dies a second later.
    """
    is_restarting = host.state.is_executing and host_changed()
    if not is_restarting and is_fine(host.get_fact(Check), may_break, must_be_ok):
        host.noop("the host is healthy")
        return
    may, must = json.dumps(list(may_break)), json.dumps(list(must_be_ok))
    script = WAIT.replace("PATIENCE", str(patience)).replace("MAY", may).replace("MUST", must)
    yield StringCommand(script, _timeout=patience + 60)


def host_changed() -> bool:
    """Tell whether an earlier operation of this run has changed the host."""
    ops = host.state.ops[host].values()
    return any(op.operation_meta.is_complete() and op.operation_meta.did_change() for op in ops)


@operation()
def remove(purge: bool = False, manager: str = "") -> Commands:
    """Remove the package; what it depends on, Consul and Docker stay."""
    have = host.get_fact(InstalledPackage, manager=manager)
    if not have.version:
        host.noop(f"{NAME} is not installed")
        return
    if have.family == "rpm":
        yield StringCommand(f"dnf --assumeyes --setopt=clean_requirements_on_remove=False remove {NAME}")
    else:
        yield StringCommand(f"{APT} {'purge' if purge else 'remove'} {NAME}", _timeout=INSTALL_SECONDS)
