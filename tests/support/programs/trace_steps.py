"""Runs a program on a host, writes down its steps and those of all that it starts, and kills it at one of them.

    python3 trace_steps.py JOURNAL KILL WHOM PROGRAM ARGUMENT...

JOURNAL gets a line for each step. KILL is the step before which the kill comes, in the words of the journal, or empty
for an undisturbed run. WHOM is `all`, as if the power failed, or `first`: PROGRAM alone is killed, and what it has
started runs to its end. The exit code is PROGRAM's as a shell would say it: 137 where it was killed.

A step is a change of the file system (a rename, a removal, a link, a directory, a file that is opened to be written) or
the start of a program. Its name is the chain of programs that lead to it, what it does, and to which path; it has
neither a time nor a process in it, so that the same step has the same name in every run. What is done again and again,
such as a question in a loop, is a step the first time: how often depends on the machine's speed.

The kernel stops a process at these calls alone (seccomp, SECCOMP_RET_TRACE), so that a run takes hardly longer.
It runs where only the package's dependencies are: Python >= 3.9 and its standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import signal
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

# linux/ptrace.h, linux/prctl.h, linux/seccomp.h
PTRACE_CONT, PTRACE_GETEVENTMSG, PTRACE_SEIZE, PTRACE_LISTEN, PTRACE_GET_SYSCALL_INFO = (
    7,
    0x4201,
    0x4206,
    0x4208,
    0x420E,
)
EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_EXEC, EVENT_SECCOMP, EVENT_STOP = 1, 2, 3, 4, 7, 128
EXITKILL = 0x100000
OPTIONS = EXITKILL | sum(1 << event for event in (EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_EXEC, EVENT_SECCOMP))
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38
RET_TRACE, RET_ALLOW = 0x7FF00000, 0x7FFF0000
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06  # classic BPF: ld [k], jeq k, ret k
WALL = 0x40000000
# A traced process that stands still for so long, with no event of any, was lost.
SILENCE_SECONDS = 2.0
WRITING = os.O_WRONLY | os.O_RDWR

# Each call that counts, with the number of the argument that points to the path. A sync does not count: what a killed
# process has written is there without it.
PATHS = {
    "rename": 1,
    "renameat": 3,
    "renameat2": 3,
    "link": 1,
    "linkat": 3,
    "symlink": 1,
    "symlinkat": 2,
    "unlink": 0,
    "unlinkat": 1,
    "rmdir": 0,
    "mkdir": 0,
    "mkdirat": 1,
    "open": 0,
    "openat": 1,
}
NUMBERS = {
    "x86_64": {
        "open": 2,
        "rename": 82,
        "mkdir": 83,
        "rmdir": 84,
        "link": 86,
        "unlink": 87,
        "symlink": 88,
        "openat": 257,
        "mkdirat": 258,
        "unlinkat": 263,
        "renameat": 264,
        "linkat": 265,
        "symlinkat": 266,
        "renameat2": 316,
    },
    "aarch64": {
        "mkdirat": 34,
        "unlinkat": 35,
        "symlinkat": 36,
        "linkat": 37,
        "renameat": 38,
        "openat": 56,
        "renameat2": 276,
    },
}
# What differs from run to run: rpm names what it unpacks by the second and its scripts by chance, others by a process.
BY_CHANCE = (
    (re.compile(r";[0-9a-f]{8}"), ";time"),
    (re.compile(r"rpm-tmp\.\w{6}"), "rpm-tmp"),
    (re.compile(r"\d{3,}"), "number"),
)

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class GoneError(Exception):
    """The process ended, by a kill, before it could be asked."""


@dataclass(frozen=True)
class Actor:
    """A process as the journal names it: the programs that lead to it, and the one that it runs."""

    chain: tuple[str, ...]

    def child(self) -> Actor:
        """Return the actor of a process that this one forked; it runs the same program until it starts another."""
        return Actor((*self.chain, ""))

    def running(self, program: str) -> Actor:
        """Return this actor with another program."""
        return Actor((*self.chain[:-1], program))

    def __str__(self) -> str:
        return " > ".join(name for name in self.chain if name)


@dataclass
class Tracer:
    """The steps of a program and of all that it starts."""

    first: int
    journal: TextIO
    kill: str
    is_all: bool
    actors: dict[int, Actor] = field(default_factory=dict)
    steps: set[str] = field(default_factory=set)
    scripts: int = 0
    is_killed: bool = False
    last_event: float = 0.0

    def step(self, process: int, action: str) -> None:
        """Write a step down; kill before it where it is the one."""
        name = f"{self.actors[process]}: {action}"
        if name in self.steps:
            return
        self.steps.add(name)
        self.journal.write(name + "\n")
        if name == self.kill:
            self.is_killed = True
            for victim in list(self.actors) if self.is_all else [self.first]:
                os.kill(victim, signal.SIGKILL)

    def called(self, process: int) -> None:
        """Take note of a call that the kernel has stopped at."""
        name, arguments = syscall(process)
        place = PATHS[name]
        if name.startswith("open") and not arguments[place + 1] & WRITING:
            return
        path = without_chance(text_at(process, arguments[place]))
        if not path.startswith(("/dev/", "/proc/")):
            self.step(process, f"{name} {path}")

    def executed(self, process: int) -> None:
        """Take note of a program that has replaced another; it has not run an instruction yet."""
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        if not words:
            raise GoneError
        program = Path(words[0]).name
        # A script is named by itself, not by its shell.
        if program in {"sh", "dash", "bash"} and len(words) > 1 and words[1].startswith("/"):
            program, words = Path(words[1]).name, words[1:]
        if program.startswith("rpm-tmp."):
            # Of rpm's scripts only their order is known here.
            self.scripts += 1
            program = f"scriptlet-{self.scripts}"
        self.actors[process] = self.actors[process].running(program)
        self.step(process, "exec " + without_chance(" ".join(words[1:]))[:80].replace("\n", " "))

    def stopped(self, process: int, status: int) -> None:
        """Let a process go on that the kernel has stopped."""
        event, number = status >> 16, os.WSTOPSIG(status)
        if self.is_killed and self.is_all:
            # Forked in the moment of the kill.
            os.kill(process, signal.SIGKILL)
            return
        try:
            # A child stops before it runs, now and then before its parent's stop is seen; the parent still stands at
            # the fork then.
            if process not in self.actors:
                self.actors[process] = self.actors[parent(process)].child()
            if event in {EVENT_FORK, EVENT_VFORK, EVENT_CLONE}:
                child = ctypes.c_ulong()
                ptrace(PTRACE_GETEVENTMSG, process, 0, ctypes.addressof(child))
                self.actors.setdefault(child.value, self.actors[process].child())
            elif event == EVENT_EXEC:
                self.executed(process)
            elif event == EVENT_SECCOMP:
                self.called(process)
            is_group_stop = event == EVENT_STOP and number != signal.SIGTRAP
            deliver = 0 if event else number
            ptrace(PTRACE_LISTEN if is_group_stop else PTRACE_CONT, process, 0, deliver)
        except (GoneError, ProcessLookupError, FileNotFoundError):
            pass  # killed meanwhile: the next wait tells of it

    def rescue(self, *_: object) -> None:
        """Let every process go on that stands still although the kernel has nothing to tell of it.

        Now and then ptrace answers ESRCH for a process that is only about to stop, as if it were gone.
        """
        if time.monotonic() - self.last_event < SILENCE_SECONDS:
            return
        for process in list(self.actors):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "t":
                    ptrace(PTRACE_CONT, process, 0, 0)

    def run(self) -> int:
        """Let it run to its end and return the first process's exit code; all that it has started has ended too."""
        code = 0
        self.actors[self.first] = Actor(("?",))
        signal.signal(signal.SIGALRM, self.rescue)
        signal.setitimer(signal.ITIMER_REAL, SILENCE_SECONDS, SILENCE_SECONDS)
        while True:
            self.last_event = time.monotonic()
            try:
                process, status = os.waitpid(-1, WALL)
            except ChildProcessError:
                return code
            if os.WIFSTOPPED(status):
                self.stopped(process, status)
                continue
            self.actors.pop(process, None)
            if process == self.first:
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def ptrace(request: int, process: int, address: int, data: int) -> int:
    """Call ptrace."""
    answer = int(libc.ptrace(request, process, address, data))
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return answer


def parent(process: int) -> int:
    """Return the process that forked this one, of a thread the process that it belongs to."""
    fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(fields["PPid"] if fields["Tgid"].strip() == str(process) else fields["Tgid"])


def syscall(process: int) -> tuple[str, tuple[int, ...]]:
    """Return the name and the arguments of the call before which a process stands."""
    buffer = ctypes.create_string_buffer(88)  # struct ptrace_syscall_info
    ptrace(PTRACE_GET_SYSCALL_INFO, process, len(buffer), ctypes.addressof(buffer))
    number, *arguments = struct.unpack_from("=7Q", buffer.raw, 24)
    names = {value: name for name, value in NUMBERS[platform.machine()].items()}
    return names[number], tuple(arguments)


def text_at(process: int, address: int) -> str:
    """Return the text at an address of another process."""
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        data = b""
        while b"\0" not in data:
            # Not beyond a page, the next of which may not be there.
            memory.seek(address + len(data))
            part = memory.read(4096 - (address + len(data)) % 4096)
            if not part:
                raise GoneError
            data += part
    return data.split(b"\0")[0].decode(errors="replace")


def without_chance(text: str) -> str:
    """Return a text without what differs from run to run."""
    for pattern, instead in BY_CHANCE:
        text = pattern.sub(instead, text)
    return text


def install_filter() -> None:
    """Make the kernel stop this process and its children at the calls that count."""
    numbers = sorted(NUMBERS[platform.machine()].values())
    code = [struct.pack("=HBBI", LOAD, 0, 0, 0)]
    code += [struct.pack("=HBBI", JUMP_EQUAL, len(numbers) - place, 0, value) for place, value in enumerate(numbers)]
    code += [struct.pack("=HBBI", RETURN, 0, 0, RET_ALLOW), struct.pack("=HBBI", RETURN, 0, 0, RET_TRACE)]
    program = ctypes.create_string_buffer(b"".join(code))
    header = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(code), ctypes.addressof(program)))
    if os.geteuid() != 0:
        # Others than root may filter only what cannot gain privileges: seccomp(2).
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_void_p(ctypes.addressof(header)), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def start(argv: list[str]) -> int:
    """Start a program in a session of its own, traced from its first step; return its process."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.setsid()
        os.read(reading, 1)  # until it is traced
        install_filter()
        os.execvp(argv[0], argv)  # noqa: S606
    ptrace(PTRACE_SEIZE, process, 0, OPTIONS)
    os.write(writing, b"x")
    return process


def main() -> int:
    """Run the program of the command line."""
    journal, kill, whom, *argv = sys.argv[1:]
    with Path(journal).open("w", encoding="utf-8") as lines:
        return Tracer(first=start(argv), journal=lines, kill=kill, is_all=whom == "all").run()


if __name__ == "__main__":
    sys.exit(main())
