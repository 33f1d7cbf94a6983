"""Debian's cloud-init, unpacked and not installed, and what it makes of user data."""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import base_environment, run
from consul_docker_host.core.workspace import cache_folder

# What cloud-init imports and this environment has not.
PACKAGES = (
    "cloud-init",
    *(f"python3-{name}" for name in ("configobj", "json-pointer", "jsonpatch", "oauthlib", "yaml")),
)
LIBRARY = "usr/lib/python3/dist-packages"
SCHEMA = f"{LIBRARY}/cloudinit/config/schemas/schema-cloud-config-v1.json"
STEPS = Path(__file__).parent / "cloud_init_steps.py"
# write_files gives files to root, which a user is in a namespace of his own.
AS_ROOT = () if os.geteuid() == 0 else ("unshare", "--map-root-user")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudInit:
    """The unpacked program."""

    folder: Path

    @property
    def schema(self) -> Path:
        """The schema of cloud-configs."""
        return self.folder / SCHEMA

    def merge(self, folder: Path, user: bytes, vendor: bytes = b"") -> dict[str, Any]:
        """Return the configuration of a first boot with this user data; ``folder`` is the machine's /var/lib/cloud."""
        encoded = {"user": base64.b64encode(user).decode(), "vendor": base64.b64encode(vendor).decode()}
        return self.step("merge", encoded | {"folder": str(folder)})

    def write_files(self, config: dict[str, Any], root: Path) -> str:
        """Write a configuration's files below a root and return the error that ended it, if one did."""
        return str(self.step("write_files", {"config": config, "root": str(root)})["raised"])

    def shellify(self, commands: Sequence[object]) -> str:
        """Return the script of a configuration's runcmd."""
        return str(self.step("shellify", {"runcmd": commands})["script"])

    def make_mime(self, *files: Path) -> bytes:
        """Return the message that `cloud-init devel make-mime` makes of cloud-configs."""
        made = self.step("make_mime", {"files": [str(path) for path in files]})
        assert made["errors"] == []
        return str(made["message"]).encode()

    def decode(self, data: bytes) -> bytes:
        """Return user data as Hetzner's data source hands it on."""
        return base64.b64decode(self.step("decode", {"data": base64.b64encode(data).decode()})["data"])

    def step(self, name: str, asked: object) -> dict[str, Any]:
        """Run one of cloud-init's steps in a process of its own."""
        steps = started(self.folder / LIBRARY)
        assert steps.stdin
        assert steps.stdout
        steps.stdin.write(json.dumps({"step": name, "asked": asked}) + "\n")
        steps.stdin.flush()
        line = steps.stdout.readline()
        assert line, f"cloud-init's steps ended with {steps.wait()}"
        said: dict[str, dict[str, Any]] = json.loads(line)
        assert "answer" in said, said["raised"]
        return said["answer"]


@functools.cache
def started(library: Path) -> subprocess.Popen[str]:
    """Start the process that has cloud-init imported; it ends with this one."""
    steps = subprocess.Popen(
        [*AS_ROOT, sys.executable, str(STEPS), str(library)],
        env=base_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        umask=0o022,
        text=True,
    )

    def end() -> None:
        with steps:
            steps.kill()

    atexit.register(end)
    return steps


def read_yaml(text: str) -> Any:
    """Return what a text says to PyYAML, by which cloud-init reads."""
    # Both loaders are safe ones; that of C takes a tenth of the time.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def unpacked() -> CloudInit:
    """Return cloud-init, fetched on the first call and kept in the user's cache."""
    folder = cache_folder("cloud-init") / "library"
    if not (folder / SCHEMA).is_file():
        download = ["apt-get", "download", *PACKAGES]
        with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
            try:
                run(download, cwd=Path(beside))
            except BuildError:
                # A machine that has never asked for the list of packages does not know any.
                run(["apt-get", "update", "-qq"])
                run(download, cwd=Path(beside))
            for deb in Path(beside).glob("*.deb"):
                run(["dpkg-deb", "--extract", str(deb), f"{beside}/unpacked"])
            with contextlib.suppress(OSError):  # another worker was quicker
                Path(beside, "unpacked").rename(folder)
    return CloudInit(folder=folder)
