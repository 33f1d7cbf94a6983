"""Write the rendered tree as Ignition's configuration, for hosts with a read-only /usr.

Ignition (Fedora CoreOS, Flatcar) writes files and enables units at a machine's first boot. Files below /usr go into a
system extension, a directory that systemd merges into /usr; units go into /etc, where systemd finds them before that.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

from consul_docker_host.package.plan import Entry, Plan
from consul_docker_host.snippets.cloudinit import LEFT_OUT, host_path

# https://coreos.github.io/ignition/configuration-v3_4/; both systems have supported 3.4 since 2023.
VERSION = "3.4.0"
# The extension fits every system, because it contains only scripts.
RELEASE = "ID=_any\n"
EXTENSION = "/var/lib/extensions/{name}"
TARGET = "consul-docker-host.target"
LATE = "[Unit]\nWants=systemd-sysext.service\nAfter=systemd-sysext.service\n"


def place_of(plan: Plan, entry: Entry) -> str:
    """Return the path of a file of the tree on a host with a read-only /usr."""
    path = host_path(entry.path)
    return EXTENSION.format(name=plan.name) + path if path.startswith("/usr/") else path


def data_url(content: bytes) -> dict[str, str]:
    """Return a file's content in Ignition's form, compressed."""
    packed = base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode()
    return {"source": f"data:;base64,{packed}", "compression": "gzip"}


def ignition(plan: Plan) -> str:
    """Return the Ignition configuration that sets up a host from the tree."""
    entries = [entry for entry in plan.entries if not entry.path.startswith(LEFT_OUT)]
    files: list[dict[str, Any]] = [
        {
            "path": place_of(plan, entry),
            # Overwriting is safe, because Ignition runs once, before anybody has changed a file.
            "overwrite": True,
            "mode": entry.mode,
            "contents": data_url((plan.tree / entry.path).read_bytes()),
        }
        for entry in entries
    ]
    release = f"{EXTENSION.format(name=plan.name)}/usr/lib/extension-release.d/extension-release.{plan.name}"
    files.append({"path": release, "mode": 0o644, "contents": data_url(RELEASE.encode())})
    own = [Path(entry.path).name for entry in entries if entry.path.startswith("usr/lib/systemd/system/consul-docker")]
    services = [name for name in own if name.endswith(".service")]
    units: list[dict[str, Any]] = [{"name": "systemd-sysext.service", "enabled": True}]
    units += [{"name": TARGET, "enabled": True}]
    # The services' programs are in the extension, so they start after it is merged.
    units += [{"name": name, "dropins": [{"name": "40-sysext.conf", "contents": LATE}]} for name in services]
    return (
        json.dumps({"ignition": {"version": VERSION}, "storage": {"files": files}, "systemd": {"units": units}}) + "\n"
    )
