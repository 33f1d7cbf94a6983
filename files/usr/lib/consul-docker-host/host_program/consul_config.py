"""Render the host's own part of Consul's configuration below /run, before each start of Consul and by apply.

A wrong line or file is reported, and the part of the configuration that it affects is kept. Secrets are read from files
and written to files that only root and Consul can read. Nothing is written below /etc.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import Any

from host_program.files import give_to_group, read_bytes, write_private
from host_program.json_files import find_fault
from host_program.output import report, say, warn
from host_program.programs import have, run
from host_program.secret_files import file_fault, file_warning, read_secret, read_word
from host_program.settings import FILE, RUN, STATE, Host

# The script "render" takes every other code as a sign that Python did not run.
DONE, KEPT = 0, 10
KEPT_SETTINGS = "the running configuration is kept"
FOLDERS = ("consul.d", "tls")
# For each key of a token's file: Consul's purpose of the token. None of them is Consul's default token, because that
# would give every program on the host the agent's rights.
TOKENS = {
    "AGENT_TOKEN_FILE": "agent",
    "DNS_TOKEN_FILE": "dns",
    "SERVICES_TOKEN_FILE": "config_file_service_registration",
}
CERTIFICATES = {"CA_FILE": "ca.pem", "CERT_FILE": "cert.pem", "KEY_FILE": "key.pem"}


def main(host: Host, arguments: list[str]) -> int:
    """Render before a start; --now: for a running Consul; --render: only below /run. The caller holds the lock."""
    if not os.environ.get("QUIET"):
        for problem in host.problems:
            report(str(problem))
    try:
        return _render(host, option=arguments[0] if arguments else "")
    except OSError as error:
        warn(f"{error.filename or host.path(RUN)} cannot be written: {error.strerror}")
        return KEPT


def _render(host: Host, *, option: str) -> int:
    rendering = Rendering(host)
    rendering.render()
    mark = host.path(f"{RUN}/consul.whole")
    if rendering.is_complete:
        _touch(mark)
        if option != "--render":
            _keep_copy(host, rendering.group)
    if option:
        return DONE if rendering.is_complete and rendering.has_tokens else KEPT
    # Consul may start with its former settings, but with a part of the new ones it could do harm.
    if not os.path.exists(mark):
        return KEPT
    # Consul names the file that it cannot read, but not the line.
    fault = find_fault(host.root, "/etc/consul.d/*.json")
    if fault:
        warn(fault)
    return DONE


class Rendering:
    """One rendering: it prints the files that it changes, and remembers whether it is complete."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.group = _consul_group()
        # Consul may start only if the rendering is complete; without a token it starts with fewer rights.
        self.is_complete = True
        self.has_tokens = True

    def render(self) -> None:
        """Write the files of all settings."""
        for name in FOLDERS:
            os.makedirs(self.host.path(f"{RUN}/{name}"), mode=0o750, exist_ok=True)
        self._put("host.json", host_settings(self.host))
        servers = join_addresses(self.host.values["RETRY_JOIN"])
        self._put("join.json", {"retry_join": servers} if servers else None)
        self._put_gossip_key()
        self._put("acl.json", acl_settings(self.host))
        for key, purpose in TOKENS.items():
            self._put_token(key, purpose)
        if self.host.built_in.registrator:
            self.has_tokens &= put_registrator_token(self.host, KEPT_SETTINGS)
        self._put_certificates()
        self._hand_over()

    def _hand_over(self) -> None:
        # A file that was rendered before Consul was installed belongs to a group that is not Consul's.
        for name in FOLDERS:
            folder = self.host.path(f"{RUN}/{name}")
            for path in (folder, *(entry.path for entry in os.scandir(folder))):
                give_to_group(path, self.group)

    def _store(self, place: str, content: bytes) -> None:
        path = f"{RUN}/{place}"
        try:
            # The temporary file is in another directory, because Consul reads every file beside ``path``.
            is_new = write_private(self.host.path(path), content, group=self.group, folder=self.host.path(RUN))
        except OSError as error:
            warn(f"{path} cannot be written and is unchanged: {error.strerror}")
            self.is_complete = False
            return
        if is_new:
            say(os.path.basename(place))

    def _put(self, name: str, value: dict[str, Any] | None) -> None:
        """Store one line of JSON, or remove the file if there is nothing to store."""
        if value is not None:
            text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
            self._store(f"consul.d/{name}", f"{text}\n".encode())
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.host.path(f"{RUN}/consul.d/{name}"))
            say(name)

    def _put_gossip_key(self) -> None:
        # Without its key Consul would send gossip unencrypted, so it must not start.
        if not are_usable(self.host, "GOSSIP_KEY_FILE"):
            self.is_complete = False
        elif self.host.values["GOSSIP_KEY_FILE"]:
            # The keyring file is disabled, because Consul would keep the first key in it forever.
            key = read_word(self.host, "GOSSIP_KEY_FILE")
            self._put("encrypt.json", {"encrypt": key, "disable_keyring_file": True})
        else:
            self._put("encrypt.json", None)

    def _put_token(self, key: str, purpose: str) -> None:
        if not are_usable(self.host, key):
            self.has_tokens = False
            return
        is_set = bool(self.host.values[key])
        self._put(
            f"token-{purpose}.json", {"acl": {"tokens": {purpose: read_word(self.host, key)}}} if is_set else None
        )

    def _put_certificates(self) -> None:
        """Store copies, so that Consul can read them whoever owns the originals, also after these are removed."""
        named = [key for key in CERTIFICATES if self.host.values[key]]
        if not named:
            self._put("tls.json", None)
            for entry in os.scandir(self.host.path(f"{RUN}/tls")):
                os.unlink(entry.path)
        elif len(named) < len(CERTIFICATES):
            names = "CA_FILE, CERT_FILE and KEY_FILE"
            report(f"{FILE}:CA_FILE: {names} go together; {KEPT_SETTINGS}")
            self.is_complete = False
        elif are_usable(self.host, *CERTIFICATES) and belong_together(self.host):
            for key, name in CERTIFICATES.items():
                self._store(f"tls/{name}", read_secret(self.host, key))
            self._put("tls.json", tls_settings(self.host.path(f"{RUN}/tls")))
        else:
            self.is_complete = False


def host_settings(host: Host) -> dict[str, Any]:
    """Return the settings that every host has."""
    is_server = host.values["ROLE"] == "server"
    servers = int(host.values["BOOTSTRAP_EXPECT"] or 0)
    settings: dict[str, Any] = {"datacenter": host.values["DATACENTER"], "server": is_server}
    if host.values["NODE_NAME"]:
        settings["node_name"] = host.values["NODE_NAME"]
    if host.values["HOST_IP"]:
        settings["bind_addr"] = host.values["HOST_IP"]
    if is_server and servers:
        settings["bootstrap_expect"] = servers
    return settings


def join_addresses(text: str) -> list[str]:
    """Return the servers to join; cloud auto-join contains blanks, so only a ; separates its entries."""
    pattern = ";" if "provider=" in text else r"[;,\s]+"
    return [part.strip() for part in re.split(pattern, text) if part.strip()]


def acl_settings(host: Host) -> dict[str, Any] | None:
    """Return the host's ACL settings; None for the built-in policy, which is already in /etc/consul.d."""
    policy = host.values["ACL"]
    if policy == host.built_in.keys["ACL"].value:
        return None
    return {"acl": {"enabled": False}} if policy == "off" else {"acl": {"enabled": True, "default_policy": policy}}


def tls_settings(folder: str) -> dict[str, Any]:
    """Return the settings that make Consul use the certificates in ``folder``."""
    files = {"ca_file": f"{folder}/ca.pem", "cert_file": f"{folder}/cert.pem", "key_file": f"{folder}/key.pem"}
    defaults = {**files, "verify_incoming": True, "verify_outgoing": True}
    return {"tls": {"defaults": defaults, "internal_rpc": {"verify_server_hostname": True}}}


def are_usable(host: Host, *keys: str, consequence: str = KEPT_SETTINGS) -> bool:
    """Return whether the files that the keys name are usable; report unusable ones, and those that others can read."""
    is_usable = True
    for key in keys:
        fault = file_fault(host, key)
        if fault:
            report(f"{FILE}:{key}: {fault}; {consequence}")
            is_usable = False
        warning = file_warning(host, key)
        if warning:
            report(f"{FILE}:{key}: {warning}")
    return is_usable


def belong_together(host: Host) -> bool:
    """Return whether the private key belongs to the certificate, if openssl is installed; report a wrong one."""
    if not have("openssl"):
        return True
    certificate = run("openssl", "x509", "-noout", "-pubkey", "-in", host.path(host.values["CERT_FILE"]))
    key = run("openssl", "pkey", "-pubout", "-in", host.path(host.values["KEY_FILE"]))
    if certificate.is_ok and key.is_ok and certificate.out == key.out:
        return True
    reason = f"{host.values['KEY_FILE']} is not the key of {host.values['CERT_FILE']}"
    report(f"{FILE}:KEY_FILE: {reason}; {KEPT_SETTINGS}")
    return False


def put_registrator_token(host: Host, consequence: str) -> bool:
    """Write Registrator's token for its container to a file that only root reads; return whether it is usable."""
    path = host.path(f"{RUN}/registrator.env")
    if not are_usable(host, "REGISTRATOR_TOKEN_FILE", consequence=consequence):
        return False
    if not host.values["REGISTRATOR_TOKEN_FILE"]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return True
    text = f"CONSUL_HTTP_TOKEN={read_word(host, 'REGISTRATOR_TOKEN_FILE')}\n"
    try:
        os.makedirs(host.path(RUN), exist_ok=True)
        write_private(path, text.encode(), group=-1, mode=0o600)
    except OSError as error:
        warn(f"{RUN}/registrator.env cannot be written and is unchanged: {error.strerror}")
        return False
    return True


def _consul_group() -> int:
    import grp  # noqa: PLC0415

    try:
        return grp.getgrnam("consul").gr_gid
    except KeyError:
        return -1


def _touch(path: str) -> None:
    with open(path, "wb"):
        pass


def _keep_copy(host: Host, group: int) -> None:
    """Copy the rendering to the disk, so that after a boot a host with a broken Python can start Consul with it."""
    try:
        _copy(host.path(RUN), host.path(f"{STATE}/rendered"), group)
    except OSError as error:
        warn(f"{STATE}/rendered cannot be written: {error.strerror}; without Python, Consul starts with older settings")


def _copy(source: str, target: str, group: int) -> None:
    wanted = _contents(source)
    mark = f"{target}/whole"
    if os.path.exists(mark) and _contents(target) == wanted:
        return
    for path in (target, *(f"{target}/{name}" for name in FOLDERS)):
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o750)  # noqa: S103 - Consul's group reads it
        give_to_group(path, group)
    # The mark is removed first, so that a partial copy is never used.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(mark)
    for name in _contents(target).keys() - wanted.keys():
        os.unlink(f"{target}/{name}")
    for name, content in wanted.items():
        write_private(f"{target}/{name}", content, group=group, is_synced=True)
    _touch(mark)


def _contents(folder: str) -> dict[str, bytes]:
    contents = {}
    for name in FOLDERS:
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(f"{folder}/{name}"):
                contents[f"{name}/{entry.name}"] = read_bytes(entry.path) or b""
    return contents
