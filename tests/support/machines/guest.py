"""A guest: a QEMU of our own and what tests do with it. Every wait ends, and no guest outlives its block."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from consul_docker_host.core import run
from consul_docker_host.core.run import Result, failure_text
from consul_docker_host.core.workspace import ROOT
from tests.support.containers.engine import Handle
from tests.support.machine import COMMAND_SECONDS, Machine
from tests.support.machines.agent import Agent, NoAnswerError
from tests.support.machines.disk import Disk, identity_tar
from tests.support.machines.lan import Lan, address_of, mac_of
from tests.support.machines.monitor import Monitor
from tests.support.speed import scaled

BOOT_SECONDS = 300.0
LOAD_SECONDS = 120.0
MEMORY = "1024"
PROGRAM = "qemu-system-x86_64"
OVERLAY, IDENTITY, CONSOLE = "disk.qcow2", "identity.tar", "console.log"
# Never the machine's own virtualisation, even where it is offered: not every machine has it, and some only seem to.
# Wide registers, and the kernel's detours around leaks, make an emulated processor slower.
ACCELERATOR = ("-accel", "tcg,thread=multi", "-cpu", "qemu64", "-smp", "2")
KERNEL_ARGUMENTS = (
    "root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=30 quiet systemd.show_status=true mitigations=off"
)
BAD = re.compile(
    r"kernel panic|oops:|BUG:|ordering cycle|segfault|Failed to start|Failed with result"
    r"|start-limit-hit|dependency failed for|timed out waiting",
    re.IGNORECASE,
)
REPORT = r"""
systemctl --failed --no-legend --plain
ip -br address; cat /etc/resolv.conf; nft list tables
consul-docker-host check
journalctl --boot --no-pager --lines=120 --output=short-monotonic
"""


class Power:
    """The running QEMU of a guest; a class of its own because a guest may be switched off and on."""

    def __init__(self, argv: list[str], log: Path) -> None:
        self._process = run.start(argv, log=log)

    @property
    def is_on(self) -> bool:
        """Say whether it runs."""
        return self._process.poll() is None

    def cut(self) -> None:
        """End it at once, as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(timeout=20)

    def wait(self, seconds: float) -> None:
        """Wait until it has ended by itself."""
        handle: Handle = self._process
        handle.wait(timeout=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What makes a guest this guest: its disk, the files on it, its memory (MiB), further arguments of QEMU.

    ``files`` and ``links`` (symlinks) are by absolute path.
    """

    name: str
    number: int
    disk: Disk
    files: Mapping[str, str | bytes | Path]
    links: Mapping[str, str]
    memory: str = MEMORY
    devices: tuple[str, ...] = ()

    def identity(self) -> bytes:
        """Return the tar that the initrd unpacks; equal plans give equal bytes."""
        own = {
            # The agent would write a line for each question about a running program.
            "/etc/systemd/system/qemu-guest-agent.service.d/quiet.conf": "[Service]\nLogLevelMax=warning\n",
            "/etc/hostname": f"{self.name}\n",
            "/etc/hosts": f"127.0.0.1\tlocalhost\n127.0.1.1\t{self.name}\n",
        }
        return identity_tar({**own, **self.files}, self.links)

    def command(self, folder: Path, *, netdev: str) -> list[str]:
        """Return QEMU's argv for the guest in its folder."""
        mac = ":".join(f"{byte:02x}" for byte in mac_of(self.number))
        sockets = {name: f"socket,id={name},path={folder / name},server=on,wait=off" for name in ("agent", "monitor")}
        return [
            # It ends with this process, however that ends.
            *("setpriv", "--pdeathsig", "KILL", PROGRAM, *ACCELERATOR),
            *("-m", self.memory, "-nodefaults", "-display", "none", "-no-user-config"),
            *("-kernel", str(self.disk.kernel), "-initrd", str(self.disk.initrd), "-append", KERNEL_ARGUMENTS),
            *("-drive", f"file={folder / OVERLAY},format=qcow2,if=virtio,cache=unsafe"),
            *("-drive", f"file={folder / IDENTITY},format=raw,if=virtio,readonly=on"),
            *("-netdev", netdev, "-device", f"virtio-net-pci,netdev=lan,mac={mac},romfile="),
            *self.devices,
            *("-device", "virtio-rng-pci"),
            *("-chardev", sockets["agent"], "-device", "virtio-serial-pci"),
            *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
            *("-chardev", f"file,id=console,path={folder / CONSOLE},append=on", "-serial", "chardev:console"),
            *("-chardev", sockets["monitor"], "-mon", "chardev=monitor,mode=control"),
        ]


@dataclass(kw_only=True)
class Guest(Machine):
    """A guest, switched on or off; in its folder are its disk, its console and the ways to its agent and its QEMU."""

    plan: Plan
    lan: Lan
    folder: Path
    agent: Agent
    power: Power | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """Its host name."""
        return self.plan.name

    @property
    def number(self) -> int:
        """Its number in the private network."""
        return self.plan.number

    @property
    def monitor(self) -> Monitor:
        """What QEMU itself is asked by."""
        return Monitor(path=self.folder / "monitor")

    @property
    def address(self) -> str:
        """Its address in the private network."""
        return address_of(self.number)

    @property
    def console(self) -> str:
        """All that it has written to its console since it was made."""
        path = self.folder / CONSOLE
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def switch_on(self, *, state: Path | None = None) -> None:
        """Start its QEMU; `wait_for_boot` waits for what runs in it.

        With the ``state`` that a machine was saved in, it does not boot, but waits paused where that one was.
        """
        incoming = ("-incoming", f"exec:cat {state}") if state else ()
        argv = [*self.plan.command(self.folder, netdev=self.lan.netdev(self.number)), *incoming]
        self.power = Power(argv, self.folder / "qemu.log")

    def wait_for_state(self) -> None:
        """Wait until it has taken up the state that it was switched on with."""
        deadline = time.monotonic() + scaled(LOAD_SECONDS)
        while (status := self.monitor.status()) != "paused":
            if self.power is None or not self.power.is_on:
                raise AssertionError(f"{self.name}: QEMU ended\n{self._tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: {status or 'no answer'}, not paused\n{self._tail()}")
            time.sleep(0.05)

    def wait_for_boot(self, *, seconds: float = BOOT_SECONDS) -> str:
        """Wait until systemd has done what the boot asks of it and return its verdict: running or degraded."""
        seconds = scaled(seconds)
        deadline = time.monotonic() + seconds
        while not self.agent.is_there():
            if self.power is None or not self.power.is_on:
                raise AssertionError(f"{self.name}: QEMU ended\n{self._tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: no agent after {seconds:g} s\n{self._tail()}")
            time.sleep(0.2)
        left = max(5.0, deadline - time.monotonic())
        argv = ["systemctl", "is-system-running", "--wait"]
        return self.agent.run(argv, seconds=left).stdout.strip()

    def reboot(self) -> str:
        """Reboot in good order and return systemd's verdict on the new boot."""
        before = self.boot_id()
        with contextlib.suppress(NoAnswerError):  # the agent ends before it can say how the command did
            self.run("systemctl --no-block reboot", check=False, seconds=10)
        self.wait_until(lambda: self.boot_id() not in {"", before}, BOOT_SECONDS, what="another boot")
        return self.wait_for_boot()

    def boot_id(self) -> str:
        """Return what distinguishes this boot from others; empty while nothing answers."""
        if not self.agent.is_there():
            return ""
        try:
            return self.run("cat /proc/sys/kernel/random/boot_id", check=False, seconds=10).stdout.strip()
        except NoAnswerError:
            return ""

    def cut_power(self) -> None:
        """Take the power away."""
        self.agent.close()
        if self.power is not None:
            self.power.cut()
            self.power = None

    def power_off(self) -> None:
        """Switch off in good order, so that its disk has all that was written."""
        with contextlib.suppress(NoAnswerError):
            self.run("systemctl --no-block poweroff", check=False, seconds=10)
        assert self.power is not None
        self.power.wait(scaled(BOOT_SECONDS))
        self.cut_power()

    def clock_ahead(self) -> tuple[float, float]:
        """Return how many seconds its clock is ahead of this machine's, and how many the answer may be wrong by."""
        before = time.time()
        there = int(self.output("date +%s%N")) / 1e9
        after = time.time()
        return there - (before + after) / 2, (after - before) / 2

    @property
    def pause(self) -> float:
        """Each question costs the guest a second of its processor."""
        return 0.3

    def run(self, command: str | Sequence[str], *, check: bool = True, seconds: float = COMMAND_SECONDS) -> Result:
        """Run a program, or a line of shell, to its end by way of the guest's agent."""
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        result = self.agent.run(argv, seconds=scaled(seconds))
        if check and result.returncode != 0:
            raise AssertionError(f"{self.name}: {failure_text(result)}")
        return result

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file that root owns, and its directory."""
        content = data.encode() if isinstance(data, str) else data
        line = f'umask 022; mkdir -p "$(dirname {path})" && cat >{path} && chmod {mode:o} {path}'
        result = self.agent.run(["sh", "-c", line], seconds=scaled(COMMAND_SECONDS), stdin=content)
        assert result.returncode == 0, f"{self.name}: {failure_text(result)}"

    def complaints(self) -> list[str]:
        """Return the lines of console and journal that no healthy host writes."""
        journal = self.run("journalctl --boot --no-pager --output=cat", check=False).stdout
        return sorted(
            {line.strip() for line in [*self.console.splitlines(), *journal.splitlines()] if BAD.search(line)}
        )

    def report(self) -> str:
        """Return what one wants to see when a test on this guest failed."""
        try:
            return self.run(REPORT, check=False, seconds=60).output
        except NoAnswerError as error:
            return f"{error}\n{self._tail()}"

    def enter_command(self) -> str:
        """Return the command by which a user enters the guest; the agent's line is free for it from now on."""
        self.agent.close()
        where = f"cd {ROOT} && PYTHONPATH=packaging:."
        return f"{where} {sys.executable} -m tests.support.machines.enter {self.agent.path}"

    def _tail(self) -> str:
        log = self.folder / "qemu.log"
        return "\n".join([*log.read_text(errors="replace").splitlines()[-5:], *self.console.splitlines()[-60:]])


def new_guest(plan: Plan, lan: Lan, folder: Path, *, disk: Path, kind: str = "raw") -> Guest:
    """Return a guest that is switched off, its folder filled: what it writes goes to a layer over ``disk``."""
    folder.mkdir(parents=True)
    overlay = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(disk), "-F", kind, str(folder / OVERLAY)]
    run.run(overlay)
    (folder / IDENTITY).write_bytes(plan.identity())
    return Guest(plan=plan, lan=lan, folder=folder, agent=Agent(path=folder / "agent"))


@contextlib.contextmanager
def running_guest(plan: Plan, lan: Lan, folder: Path) -> Iterator[Guest]:
    """Give a guest that was switched on a moment ago; at the end of the block nothing of it runs."""
    guest = new_guest(plan, lan, folder, disk=plan.disk.root)
    try:
        guest.switch_on()
        yield guest
    finally:
        guest.cut_power()
