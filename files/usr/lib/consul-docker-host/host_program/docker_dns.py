"""Set the key "dns" in Docker's daemon.json, so that containers without --dns ask this host's dnsmasq.

Docker reads the file when it starts, and this program never restarts it. Turning the key off restores the original file
byte for byte.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
from typing import Any

from host_program import docker
from host_program.files import read_bytes, read_text, replace_file
from host_program.output import Failure, clean, say, warn
from host_program.programs import have, run
from host_program.settings import STATE, Host

FILE = "/etc/docker/daemon.json"
# The original file; the file that we wrote; the mark of a directory that we created.
BEFORE = f"{STATE}/daemon.json.before"
WRITTEN = f"{STATE}/daemon.json.written"
DIRECTORY_MADE = f"{STATE}/docker-made"
NOTE = "takes effect when Docker is restarted: systemctl restart docker"
OPTION = re.compile(r"--dns([ =]|$)", re.MULTILINE)
COMMAND_LINES = (
    "/etc/default/docker",
    "/etc/sysconfig/docker",
    "/etc/systemd/system/docker.service",
    "/etc/systemd/system/docker.service.d/*.conf",
)
REGISTRATOR = "consul-docker-host-registrator"


def main(host: Host, arguments: list[str]) -> int:
    """Run on, off or status; "remove" turns it off when the package, and with it the address, is removed."""
    action = arguments[0]
    if action == "on":
        say(f"docker-dns: {turn_on(host)}")
    elif action == "status":
        say(f"docker-dns: {'on' if status(host) else 'off'}")
    else:
        message = turn_off(host)
        if action == "off":
            say(f"docker-dns: {message}")
        address = host.built_in.address
        consequence = f"keep using {address} until they are recreated"
        if action == "remove":
            consequence = f"still use {address}, where nothing answers any more; recreate them without it"
        names = users(host)
        if names:
            warn(f"these containers {consequence}: {' '.join(names)}")
    return 0


def status(host: Host) -> bool:
    """Return whether Docker's file sets our address as the only name server."""
    return bool(_servers(_load(host, FILE)) == [host.built_in.address])


def turn_on(host: Host) -> str:
    """Add our address to Docker's file and return the message; raise Failure if the administrator has set the key."""
    content = read_bytes(host.path(FILE))
    settings: dict[str, Any] = {}
    if os.path.lexists(host.path(FILE)):
        loaded = _load(host, FILE)
        if loaded is None:
            raise Failure(f"{FILE} is not a JSON object; fix it first")
        settings = loaded
    address = host.built_in.address
    servers = _servers(settings)
    if servers == [address]:
        return "already on"
    if servers is not None:
        value = json.dumps(servers, separators=(",", ":"))
        raise Failure(
            f"{FILE}:dns: the administrator has set it to {value}; add {address} there, or remove it and repeat"
        )
    if _has_option(host):
        raise Failure(
            "dockerd gets --dns on its command line and would not start with the key as well; remove the option first"
        )
    os.makedirs(host.path(STATE), exist_ok=True)
    try:
        _write(host, _dump({**settings, "dns": [address]}), content)
    except BaseException:
        # After a failure none of the files may look as if we had written Docker's file.
        _forget(host)
        raise
    return f"on; {NOTE}"


def turn_off(host: Host) -> str:
    """Restore Docker's file, or remove our key from a file that was changed since; return the message."""
    written = read_bytes(host.path(WRITTEN))
    if written is None:
        return "already off"
    settings = _load(host, FILE)
    if read_bytes(host.path(FILE)) == written:
        before = read_bytes(host.path(BEFORE))
        if before is None:
            os.unlink(host.path(FILE))
        else:
            replace_file(host.path(FILE), before, name=FILE)
    elif settings and _servers(settings) == _servers(_load(host, WRITTEN)):
        # Somebody has changed the file since, so only our key is removed.
        replace_file(host.path(FILE), _dump({key: settings[key] for key in settings if key != "dns"}), name=FILE)
    _forget(host)
    return f"off; {NOTE}"


def users(host: Host) -> list[str]:
    """Return the running containers that use our address: by --dns, by the variable, or by Docker's file."""
    names = [str(each.get("Name", ""))[1:] for each in docker.inspect_running() if _asks(host, each)]
    return [clean(name) for name in names if name != REGISTRATOR]


def _asks(host: Host, container: dict[str, Any]) -> bool:
    address = host.built_in.address
    if address in ((container.get("HostConfig") or {}).get("Dns") or []):
        return True
    for variable in (container.get("Config") or {}).get("Env") or []:
        if variable.startswith("CONSUL_HTTP_ADDR=") and address in re.split("[=/:]", variable):
            return True
    path = str(container.get("ResolvConfPath") or "")
    word = re.compile(rf"(?<!\w){re.escape(address)}(?!\w)", re.ASCII)
    return path != "" and word.search(read_text(host.path(path))) is not None


def _has_option(host: Host) -> bool:
    paths = [path for each in COMMAND_LINES for path in glob.glob(glob.escape(host.root) + each)]
    return any(OPTION.search(read_text(path)) for path in paths)


def _write(host: Host, content: bytes, before: bytes | None) -> None:
    folder = host.path(os.path.dirname(FILE))
    if not os.path.isdir(folder):
        os.mkdir(folder)
        replace_file(host.path(DIRECTORY_MADE), b"", name=DIRECTORY_MADE)
    replace_file(host.path(f"{STATE}/daemon.json.new"), content, mode=0o600, name=STATE)
    _validate(host.path(f"{STATE}/daemon.json.new"))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(host.path(BEFORE))
    if before is not None:
        replace_file(host.path(BEFORE), before, mode=0o600, name=BEFORE)
    replace_file(host.path(FILE), content, name=FILE)
    os.replace(host.path(f"{STATE}/daemon.json.new"), host.path(WRITTEN))


def _validate(path: str) -> None:
    if not have("dockerd") or "--validate" not in run("dockerd", "--help").out:
        return
    validation = run("dockerd", "--validate", "--config-file", path, seconds=20)
    if not validation.is_ok:
        raise Failure(f"dockerd refuses the file: {clean(validation.out + validation.err)}")


def _forget(host: Host) -> None:
    if os.path.exists(host.path(DIRECTORY_MADE)):
        with contextlib.suppress(OSError):
            os.rmdir(host.path(os.path.dirname(FILE)))
    for path in (*glob.glob(glob.escape(host.path(STATE)) + "/daemon.json.*"), host.path(DIRECTORY_MADE)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(host.path(STATE))


def _load(host: Host, place: str) -> dict[str, Any] | None:
    """Return a file's JSON object; None if it does not contain one."""
    try:
        value = json.loads(read_bytes(host.path(place)) or b"", parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _servers(settings: dict[str, Any] | None) -> Any:
    """Return the value of the key; None if it is not set in Docker's view."""
    value = (settings or {}).get("dns")
    return None if value is False else value


def _dump(settings: dict[str, Any]) -> bytes:
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    return f"{text}\n".encode("utf-8", "replace")
