"""The one door to other programs: the only module that imports subprocess."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError

TAIL_LINES = 20
DEFAULT_TIMEOUT = 600.0
# Debian keeps dnsmasq, nft and dockerd in sbin, which is not on an ordinary user's PATH.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# HOME and XDG_CACHE_HOME locate caches, TMPDIR has room, and SUDO_UID lets git read the checkout under sudo.
PASSED = ("HOME", "XDG_CACHE_HOME", "TMPDIR", "SUDO_UID")
# Only programs that fetch something get the variables for proxies and certificates.
NETWORK = (
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "ssl_cert_file",
    "ssl_cert_dir",
    "requests_ca_bundle",
)
# How long a program may take to exit after a signal.
END_SECONDS = 10.0
# The processes that `run` is waiting for, in any thread.
_running: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a finished program: its argv, exit code and decoded output."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, standard output first."""
        return self.stdout + self.stderr


def program_path() -> str:
    """Return the search path for programs: the caller's PATH, then the system's own directories."""
    return os.pathsep.join(part for part in (os.environ.get("PATH", ""), SYSTEM_PATH) if part)


def find_program(name: str, *, first: Iterable[Path] = ()) -> Path | None:
    """Return the program's path, searching the directories ``first`` and then the PATH; None if it is missing."""
    search = os.pathsep.join([*map(str, first), program_path()])
    program = shutil.which(name, path=search)
    return Path(program) if program else None


def base_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment built from nothing: PATH, a fixed locale, HOME, and what the caller names."""
    environment = {"PATH": program_path(), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    environment |= {name: os.environ[name] for name in PASSED if name in os.environ}
    return environment | dict(extra or {})


def network_environment() -> dict[str, str]:
    """Return the caller's variables for the network, such as https_proxy, for a program that fetches something."""
    return {name: value for name, value in os.environ.items() if name.lower() in NETWORK}


def command_line(argv: Sequence[str]) -> str:
    """Return the command quoted for a shell, so that it can be copied from an error."""
    return shlex.join(argv)


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float = DEFAULT_TIMEOUT,
    check: bool = True,
    hint: str = "",
) -> Result:
    """Run a program to its end and return its result.

    ``env`` is added to the base environment. With ``check`` a non-zero exit raises BuildError with the command and
    its last 20 lines; a program that is missing or runs longer than ``timeout`` seconds always does.
    """
    try:
        returncode, stdout, stderr = _run_to_end(list(argv), cwd, base_environment(env), stdin.encode(), timeout)
    except FileNotFoundError as error:
        raise BuildError(f"{argv[0]}: {error.strerror}", hint=hint or "install it, or put it on the PATH") from error
    except PermissionError as error:
        raise BuildError(f"{argv[0]}: {error.strerror}", hint=hint) from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{argv[0]}: timed out after {timeout:g} s: {command_line(argv)}", hint=hint) from error
    result = Result(
        argv=tuple(argv),
        returncode=returncode,
        stdout=stdout.decode(errors="replace"),
        stderr=stderr.decode(errors="replace"),
    )
    if check and result.returncode != 0:
        raise BuildError(failure_text(result), hint=hint)
    return result


def _run_to_end(
    argv: list[str], cwd: Path | None, env: dict[str, str], stdin: bytes, timeout: float
) -> tuple[int, bytes, bytes]:
    # In a process group of its own the program can be ended together with everything that it has started.
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        umask=0o022,
        process_group=0,
    )
    with process:
        _running.add(process)
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout)
        except BaseException:
            _end(process)
            raise
        finally:
            _running.discard(process)
    return process.returncode, stdout, stderr


def end_running() -> None:
    """End every program that ``run`` is waiting for in another thread, with everything that it has started."""
    for process in tuple(_running):
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # SIGTERM comes first, because a package manager must not be killed between two steps.
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
            break


def failure_text(result: Result) -> str:
    """Return the failed command, its exit code and its last lines."""
    tail = "\n".join("    " + line for line in result.output.splitlines()[-TAIL_LINES:])
    text = f"{result.argv[0]} exited with {result.returncode}: {command_line(result.argv)}"
    return f"{text}\n{tail}" if tail else text


def start(argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a program that keeps running, its output in ``log``; the caller ends it through the returned handle."""
    with log.open("ab") as output:
        return subprocess.Popen(
            list(argv),
            env=base_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def follow(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, timeout: float) -> int:
    """Run a program with our own output as its output, and return its exit code.

    Its environment is the caller's, because the command stands for one that the caller would have typed.
    """
    sys.stdout.flush()
    try:
        completed = subprocess.run(
            list(argv),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise BuildError(f"{argv[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{argv[0]}: timed out after {timeout:g} s: {command_line(argv)}") from error
    return completed.returncode
