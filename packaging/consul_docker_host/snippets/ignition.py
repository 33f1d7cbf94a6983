"""The rendered tree for hosts whose /usr cannot be written: as Ignition's configuration, and as a confext.

Ignition (Fedora CoreOS, Flatcar) writes files and enables units at a machine's first boot. What belongs below /usr
goes into a system extension, a folder that systemd lays over /usr; units go into /etc, where systemd finds them
before that. A confext is an image of the configuration alone, laid over /etc by systemd 255 and later.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

from consul_docker_host.package.plan import Entry, Plan
from consul_docker_host.snippets.cloudinit import LEFT_OUT, host_path

# https://coreos.github.io/ignition/configuration-v3_4/; 3.4 is what both systems have read since 2023.
VERSION = "3.4.0"
# Laid over /usr of whatever system it is: it holds scripts alone.
RELEASE = "ID=_any\n"
EXTENSION = "/var/lib/extensions/{name}"
TARGET = "consul-docker-host.target"
LATE = "[Unit]\nWants=systemd-sysext.service\nAfter=systemd-sysext.service\n"


def place_of(plan: Plan, entry: Entry) -> str:
    """Return where a file of the tree goes on a host whose /usr is read-only."""
    path = host_path(entry.path)
    return EXTENSION.format(name=plan.name) + path if path.startswith("/usr/") else path


def data_url(content: bytes) -> dict[str, str]:
    """Return a file's content as Ignition takes it, compressed."""
    packed = base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode()
    return {"source": f"data:;base64,{packed}", "compression": "gzip"}


def ignition(plan: Plan) -> str:
    """Return Ignition's configuration that makes a host of the tree."""
    entries = [entry for entry in plan.entries if not entry.path.startswith(LEFT_OUT)]
    files: list[dict[str, Any]] = [
        {
            "path": place_of(plan, entry),
            # The host's own files win: Ignition runs once, before anybody has changed them.
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
    # Their programs come with the extension.
    units += [{"name": name, "dropins": [{"name": "40-sysext.conf", "contents": LATE}]} for name in services]
    return (
        json.dumps({"ignition": {"version": VERSION}, "storage": {"files": files}, "systemd": {"units": units}}) + "\n"
    )
