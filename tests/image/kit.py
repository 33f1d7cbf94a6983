"""Images for the stories: a checkout of their own, what is preloaded, and machines that tell of themselves."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consul_docker_host.core.architectures import own_architecture
from consul_docker_host.core.run import Result, run, start
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.image.bootstrap import CACHE
from consul_docker_host.image.manifest import Manifest, read_manifest
from consul_docker_host.image.proof import EMULATORS, Machine, cloud_config, text_of, write_seed
from tests.support.containers.engine import Handle
from tests.support.programs.consul import consul_package
from tests.support.speed import scaled

IMAGE_SECONDS = 1500.0
TOLD = re.compile(r"boot ([0-9a-f-]+) (\w+): (.*)")
# Runs at every boot of a machine and says through its own port how the host is, then what it was asked. It waits for
# the best answer: a client that is up before its server is not joined yet, and says so with a warning.
REPORTER = r"""#!/bin/sh
exec >/dev/virtio-ports/proof 2>&1
boot=$(cat /proc/sys/kernel/random/boot_id)
timeout 400 cloud-init status --wait >/dev/null
end=$(($(date +%s) + PATIENCE))
until consul-docker-host check --json >/run/check.json || [ "$(date +%s)" -ge "$end" ]; do sleep 2; done
state=$(python3 -IB /root/state.py </run/check.json)
failed=$(systemctl --failed --no-legend --plain | tr '\n' ' ')
if [ -n "$failed" ]; then
    state="units failed: $failed"
    for unit in $failed; do
        case $unit in *.service) journalctl --boot --no-pager --output=cat --unit "$unit" | tail -n 9 ;; esac
    done
fi
echo "boot $boot state: $state"
key=$(cksum </etc/ssh/ssh_host_ed25519_key.pub | cut -d ' ' -f 1)
echo "boot $boot machine: $(cat /etc/machine-id) $(cat /opt/consul/node-id) $key"
echo "boot $boot address: $(ip -4 -o addr show scope global | grep -v docker0 | awk '{ print $4; exit }')"
echo "boot $boot resolver: $(grep -c ^nameserver /etc/resolv.conf)"
[ ! -r /root/question ] || sh /root/question 2>&1 | sed "s/^/boot $boot /"
echo "boot $boot end: $(cut -d' ' -f1 /proc/uptime)"
"""
# Switches a machine off when it has told how it is: its end is one in good order, and the next boot a cold one.
OFF = 'echo "off: soon"; systemd-run --quiet --on-active=2 systemctl poweroff\n'
# Prints the state of check's report, with the links that are not ok.
STATE = """
import json, sys
report = json.load(sys.stdin)
amiss = [f"{link['name']}: {link['text']}" for link in report["links"] if link["state"] in {"warn", "broken"}]
print(": ".join(part for part in (report["state"], "; ".join(amiss)) if part))
"""
UNIT = """[Unit]
After=multi-user.target cloud-final.service

[Service]
Type=oneshot
ExecStart=/bin/sh /root/reporter
"""
# What starts it is a timer: a unit of multi-user.target would wait for itself.
TIMER = """[Timer]
OnBootSec=1

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An image in a checkout of its own."""

    work: Workspace
    image: Path

    @property
    def manifest(self) -> Manifest:
        """What stands beside it."""
        return read_manifest(manifest_of(self.image))


def manifest_of(image: Path) -> Path:
    """Return the manifest's path beside an image."""
    return image.with_name(f"{image.name}.manifest.json")


def inv_image(work: Workspace, *options: str, before: str = "", consul: Path | None = None) -> Result:
    """Run `inv image` in a checkout as a user does; ``before``: the shell that runs it, in mounts of its own.

    ``consul`` is the program's own file; without it the package is given.
    """
    argv = [sys.executable, "-m", "invoke", "image", f"--with=consul={consul or consul_package()}", *options]
    if before:
        argv = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", before, "before", *argv]
    return run(argv, cwd=work.root, timeout=IMAGE_SECONDS, check=False)


def start_image(work: Workspace, log: Path, *options: str, consul: Path | None = None) -> Handle:
    """Start `inv image` and return at once; ``consul`` as for `inv_image`."""
    argv = ["env", f"--chdir={work.root}", *passed(), sys.executable, "-m", "invoke", "image", "--no-proof"]
    return start([*argv, f"--with=consul={consul or consul_package()}", *options], log=log)


def passed() -> list[str]:
    """Return the variables without which the user's cache would not be found."""
    return [f"{name}={os.environ[name]}" for name in ("HOME", "XDG_CACHE_HOME") if name in os.environ]


def leftovers(made: Made) -> list[str]:
    """Return the mounts, loop devices and processes of a bake."""
    place = str(made.work.dist)
    told = [*Path("/proc/self/mounts").read_text().splitlines()]
    told += run(["losetup", "--list", "--noheadings"]).stdout.splitlines()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            told += [str((process / "root").readlink()), (process / "cmdline").read_text().replace("\0", " ")]
    return [line for line in told if place in line or f"/{CACHE}/" in line]


def moments(made: Made, *options: str, number: int) -> list[float]:
    """Return so many moments (s) within the time that a bake takes on this machine just now; one is made to know it."""
    begin = time.monotonic()
    done = inv_image(made.work, "--no-proof", *options)
    assert done.returncode == 0, done.output
    # A bake alone is as fast as one gets: what is slower is killed earlier in its course, never after its end.
    whole = 0.9 * (time.monotonic() - begin)
    chance = random.Random(7)  # noqa: S311
    return [chance.uniform(0.1 * whole, whole) for _ in range(number)]


def kill_image(made: Made, log: Path, wait: float, *options: str) -> None:
    """Kill a bake after so many seconds; fail where it left something at work, or changed what lies in dist/images/."""
    while True:
        before = images_of(made)
        bake = start_image(made.work, log, *options)
        try:
            bake.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            break
        wait /= 2  # what slowed down the one that was timed has ended
    kill(made, bake, before, f"killed after {wait:.1f} s")


def kill_image_at(made: Made, log: Path, pattern: str, *options: str) -> None:
    """Kill a bake as soon as a file of that pattern is in its scratch folder; fail as `kill_image` does."""
    before, stale = images_of(made), scratch_of(made, pattern)
    bake = start_image(made.work, log, *options)
    wait_for_work(made, stale, pattern)
    kill(made, bake, before, f"killed at {pattern}")


def kill(made: Made, bake: Handle, before: dict[str, int], moment: str) -> None:
    """Kill a bake that is under way; fail where it leaves anything but its scratch folder."""
    os.kill(bake.pid, signal.SIGKILL)
    bake.wait(timeout=scaled(20))
    deadline = time.monotonic() + scaled(10)
    while leftovers(made) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert leftovers(made) == [], moment
    assert images_of(made) == before, moment


def scratch_of(made: Made, pattern: str = "") -> set[Path]:
    """Return the scratch folders of bakes, or what lies in them by a pattern."""
    return set((made.work.dist / "images").glob(f".making-*{pattern}"))


def wait_for_work(made: Made, stale: set[Path], pattern: str = "") -> None:
    """Wait until a bake that was started a moment ago is at work in a scratch folder of its own."""
    deadline = time.monotonic() + scaled(60)
    while not scratch_of(made, pattern) - stale:
        assert time.monotonic() < deadline, "it does not begin"
        time.sleep(0.05)


def images_of(made: Made) -> dict[str, int]:
    """Return what a user sees in dist/images/, with the time of each."""
    return {path.name: path.stat().st_mtime_ns for path in (made.work.dist / "images").glob("[!.]*")}


def assert_clean(image: Path, folder: Path) -> None:
    """Fail where one of the image's two file systems is not as it should be."""
    raw = folder / "disk.raw"
    run(["qemu-img", "convert", "-O", "raw", str(image), str(raw)], timeout=300)
    table = json.loads(run(["sfdisk", "--json", str(raw)]).stdout)["partitiontable"]["partitions"]
    for part, check in zip(table, (["fsck.vfat", "-n"], ["e2fsck", "-f", "-n"]), strict=True):
        file = folder / "part"
        copy = ["dd", f"if={raw}", f"of={file}", "bs=1M", "conv=sparse", f"skip={part['start'] // 2048}"]
        run([*copy, f"count={part['size'] // 2048}"], timeout=300)
        run([*check, str(file)])


def image_of(work: Workspace, kind: str = "qcow2") -> Path:
    """Return the one image of a kind that lies there."""
    (found,) = (work.dist / "images").glob(f"*-{own_architecture()}.{kind}")
    return found


@dataclass(kw_only=True)
class Booted:
    """A machine that boots a copy of an image, and tells of itself through its port."""

    name: str
    folder: Path
    machine: Machine
    network: tuple[str, ...]
    handle: Handle | None = field(default=None)

    def switch_on(self) -> None:
        """Start its QEMU."""
        argv = self.machine.argv(self.folder, self.folder / "disk.qcow2", self.folder / "seed.img")
        place = argv.index("-netdev")
        argv[place : place + 4] = self.network
        self.handle = start(argv, log=self.folder / "qemu.log")

    def cut_power(self) -> None:
        """Take the power away."""
        if self.handle is not None:
            os.kill(self.handle.pid, signal.SIGKILL)
            self.handle.wait(timeout=scaled(20))
            self.handle = None

    def wait_for_console(self, text: str, seconds: float = 300.0) -> None:
        """Wait until the console has shown a text."""
        deadline = time.monotonic() + scaled(seconds)
        while text not in text_of(self.folder / "console.log"):
            assert time.monotonic() < deadline, f"{self.name}: {self.report()}"
            time.sleep(0.1)

    def wait_for_its_end(self, seconds: float = 120.0) -> None:
        """Wait until it has switched itself off."""
        if self.handle is not None:
            self.handle.wait(timeout=scaled(seconds))
            self.handle = None

    def told(self) -> list[dict[str, str]]:
        """Return what it said of each boot that came to its end, in order."""
        boots: dict[str, dict[str, str]] = {}
        for boot, key, value in TOLD.findall(text_of(self.folder / "report")):
            boots.setdefault(boot, {})[key] = value.strip()
        return [boot for boot in boots.values() if "end" in boot]

    def wait_for_boot(self, number: int, seconds: float = 700.0) -> dict[str, str]:
        """Wait until it has told of so many boots and return the last."""
        deadline = time.monotonic() + scaled(seconds)
        while len(self.told()) < number:
            assert time.monotonic() < deadline, f"{self.name}: {self.report()}"
            time.sleep(0.5)
        return self.told()[-1]

    def report(self) -> str:
        """Return what one wants to see when it failed."""
        console = text_of(self.folder / "console.log").splitlines()[-60:]
        return "\n".join([text_of(self.folder / "qemu.log"), text_of(self.folder / "report"), *console])


def new_machine(
    image: Path,
    folder: Path,
    *,
    name: str,
    settings: Mapping[str, str],
    network: Sequence[str],
    question: str = "",
    is_bios: bool = False,
    files: Mapping[str, str] | None = None,
    user_data: Sequence[str | dict[str, Any]] = (),
    patience: int = 300,
) -> Booted:
    """Return a machine with a copy of the image and data for its first boot; it is not switched on.

    It tells its state when its check is content, at the latest after ``patience`` seconds.
    """
    folder.mkdir(parents=True)
    kind = image.suffix.removeprefix(".")
    overlay = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image), "-F", kind, str(folder / "disk.qcow2")]
    run([*overlay, "6G"])
    (folder / "vars.fd").write_bytes(Path(EMULATORS["amd64"][3]).read_bytes())
    lines = "".join(f'{key}="{value}"\n' for key, value in settings.items())
    own = {
        "/root/reporter": REPORTER.replace("PATIENCE", str(patience)),
        "/root/settings": lines,
        "/root/state.py": STATE,
        "/etc/systemd/system/reporter.service": UNIT,
        "/etc/systemd/system/reporter.timer": TIMER,
        **({"/root/question": question} if question else {}),
        **(files or {}),
    }
    commands = [] if user_data else ["cat /root/settings >>/etc/default/consul-docker-host", "consul-docker-host apply"]
    commands.append("systemctl daemon-reload; systemctl --no-block enable --now reporter.timer")
    write_seed(folder / "seed.img", name=name, user_data=[*user_data, cloud_config(own, commands)])
    machine = Machine(architecture="amd64", is_bios=is_bios)
    return Booted(name=name, folder=folder, machine=machine, network=tuple(network))


def alone() -> tuple[str, ...]:
    """Return the network of a machine that is the only one: an address, a router and a name server, and no way out."""
    return ("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=")


def docker_archive(name: str, layer: bytes, config: Mapping[str, object], target: Path) -> Path:
    """Write a container image as `docker save` does: one layer, its configuration, and a list of both."""
    digest = hashlib.sha256(layer).hexdigest()
    described = {
        "architecture": "amd64",
        "os": "linux",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    text = json.dumps(described).encode()
    listed = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(target, "w") as tar:
        for path, data in (("config.json", text), ("layer.tar", layer), ("manifest.json", listed)):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return target
