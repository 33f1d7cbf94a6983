"""Install Python packages into .venv: those of a build, and the groups that single tasks need.

The launcher runs this module before .venv exists, so it imports only the standard library. pyproject.toml
declares the groups, and locks/GROUP.txt pins each with hashes. A copy of that file in .venv/locks means that the group
is installed: it is written last, so an interrupted install is repeated.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.core.errors import BuildError, describe
from consul_docker_host.core.locks import Lock
from consul_docker_host.core.run import network_environment, run
from consul_docker_host.core.workspace import ROOT, write_text

BUILD = "build"
INSTALL_SECONDS = 3600.0
# Another process may be installing, and a slow network may need long for it.
WAIT_SECONDS = 3600.0
# The caller's pip settings that lead to an index. Others, such as PIP_USER and PIP_TARGET, would install elsewhere.
PIP_SETTINGS = (
    *("CACHE_DIR", "CERT", "CLIENT_CERT", "CONFIG_FILE", "DEFAULT_TIMEOUT", "EXTRA_INDEX_URL", "FIND_LINKS"),
    *("INDEX_URL", "KEYRING_PROVIDER", "NO_CACHE_DIR", "NO_INDEX", "PROXY", "RETRIES", "TIMEOUT", "TRUSTED_HOST"),
    "USE_FEATURE",
)
# The variables by which programs that fetch packages find certificates and passwords.
FETCHING = ("CURL_CA_BUNDLE", "NETRC", "REQUESTS_CA_BUNDLE", "XDG_CONFIG_HOME")
# A process that runs in .venv holds its lock until the process exits.
_held: list[Lock] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The virtual environment of a checkout, examined without starting its Python."""

    root: Path

    @property
    def path(self) -> Path:
        """The directory of the environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.path / "bin" / "python"

    @property
    def marker(self) -> Path:
        """The file that shows that ./inv created this environment and may remove it; empty until it is complete."""
        return self.path / "made-by"

    def lock(self, group: str) -> Path:
        """Return the file that pins a group."""
        return self.root / "locks" / f"{group}.txt"

    def copy(self, group: str) -> Path:
        """Return the copy of a group's lock that records what is installed."""
        return self.path / "locks" / f"{group}.txt"

    def maker(self) -> str:
        """Return the marker's content for a complete environment: its own path and its interpreter's."""
        return f"{self.path} {os.path.realpath(self.python)}"

    def is_ours(self) -> bool:
        """Return whether ./inv created this environment."""
        return self.marker.is_file()

    def has(self, group: str) -> bool:
        """Return whether a group is installed as its lock pins it."""
        return self.copy(group).is_file() and self.copy(group).read_bytes() == self.lock(group).read_bytes()

    def is_current(self) -> bool:
        """Return whether the environment is complete, its interpreter exists, and its groups match their locks."""
        if not (self.is_ours() and self.marker.read_text(encoding="utf-8").rstrip("\n") == self.maker()):
            return False
        groups = [path.stem for path in self.copy(BUILD).parent.glob("*.txt")]
        return os.access(self.python, os.X_OK) and all(self.lock(name).is_file() and self.has(name) for name in groups)

    def is_running(self) -> bool:
        """Return whether this process runs in the environment."""
        return self.is_ours() and os.path.realpath(sys.prefix) == os.path.realpath(self.path)


def make(environment: Environment) -> None:
    """Create the environment for builds, unless it exists by now: another process may have been quicker."""
    with _installing(environment):
        if environment.is_current():
            return
        with _emptied(environment):
            print_line("creating .venv from locks/build.txt (once, about ten seconds)")
            try:
                venv.EnvBuilder(symlinks=True).create(environment.path.resolve())
            except ValueError as error:  # a colon in the path, which separates directories in PATH
                raise BuildError(str(error), hint="move the checkout to another directory") from error
            unpack_pip(environment)
            _install(environment, BUILD)
            write_text(environment.marker, environment.maker() + "\n")


def ensure(environment: Environment, group: str, *, task: str) -> None:
    """Install a group into .venv before a task imports it, or report the missing packages.

    An environment that ./inv did not create belongs to its owner: nothing is installed into it.
    """
    if not environment.is_running():
        absent = missing(read_requirements(environment, group))
        if absent:
            way = f"./inv {task} installs them into .venv; or: pip install --require-hashes -r locks/{group}.txt"
            raise BuildError(f"not installed in {sys.prefix}: {', '.join(absent)}", hint=way)
        return
    if environment.has(group):
        return
    with _installing(environment):
        if environment.has(group):
            return
        if not environment.is_current():
            raise BuildError(".venv is older than locks/", hint=f"./inv {task} updates it")
        print_line(f"adding locks/{group}.txt to .venv (once, a minute at most)")
        _install(environment, group)
    # Python remembers which modules a directory has.
    importlib.invalidate_caches()


def hold(environment: Environment) -> None:
    """Keep other processes from replacing .venv while this one runs in it."""
    if environment.is_running():
        _held.append(_use(environment))
        _held[-1].acquire(shared=True)


def read_requirements(environment: Environment, group: str) -> tuple[str, ...]:
    """Return the names of the packages that pyproject.toml lists for a group, those of included groups as well."""
    project = tomllib.loads((environment.root / "pyproject.toml").read_text(encoding="utf-8"))
    if group == BUILD:
        return tuple(_name(text) for text in project["project"]["dependencies"])
    names: list[str] = []
    for entry in project["dependency-groups"][group]:
        is_group = isinstance(entry, dict)
        names += read_requirements(environment, entry["include-group"]) if is_group else [_name(entry)]
    return tuple(names)


def _name(requirement: str) -> str:
    return _normal(re.split(r"[\[=<>!~; ]", requirement, maxsplit=1)[0])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def missing(names: Sequence[str], *, folder: Path | None = None) -> list[str]:
    """Return the packages that are missing from ``folder``; without it, those that this Python cannot import."""
    path = sys.path if folder is None else [str(folder)]
    present = {_normal(package.name) for package in importlib.metadata.distributions(path=path) if package.name}
    absent = [name for name in names if name not in present]
    if folder:
        return absent
    # A Linux distribution may ship a module without the metadata that pip writes.
    return [name for name in absent if importlib.util.find_spec(name.replace("-", "_")) is None]


def unpack_pip(environment: Environment) -> None:
    """Unpack the interpreter's own pip into the environment, which is ten times as fast as ensurepip."""
    wheel = bundled_pip()
    if wheel is None:
        run([str(environment.python), "-Im", "ensurepip"], hint="install python3-venv")
        return
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages(environment))


def bundled_pip() -> Path | None:
    """Return the wheel of pip that ensurepip installs; Debian and Fedora keep it in a directory of its own."""
    own = importlib.util.find_spec("ensurepip")
    folders = [Path(own.origin).parent / "_bundled"] if own and own.origin else []
    folders += [Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or "/usr/share/python-wheels")]
    wheels = [path for folder in folders for path in sorted(folder.glob("pip-*.whl"))]
    return wheels[0] if wheels else None


def site_packages(environment: Environment) -> Path:
    """Return the environment's site-packages directory, by the layout of this interpreter."""
    base = str(environment.path)
    return Path(sysconfig.get_path("purelib", "venv", {"base": base, "platbase": base}))


def pip_command(environment: Environment, group: str) -> list[str]:
    """Return the command that installs a group: a lock is complete, so nothing is resolved.

    Modules are compiled at their first import, in a tenth of the time that compiling all of them takes.
    """
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-user"]
    locked = ["--require-hashes", "--no-deps", "--no-compile", "--requirement", str(environment.lock(group))]
    return [str(environment.python), "-Im", "pip", "install", *options, *locked]


def fetching_environment(prefix: str, settings: Sequence[str]) -> dict[str, str]:
    """Return the caller's variables by which a program that fetches packages finds its index."""
    names = (*FETCHING, *(f"{prefix}_{setting}" for setting in settings))
    return network_environment() | {name: os.environ[name] for name in names if name in os.environ}


def _install(environment: Environment, group: str) -> None:
    # The lock is read before pip reads it: a lock that changes meanwhile must not count as installed.
    content = environment.lock(group).read_text(encoding="utf-8")
    command, variables = pip_command(environment, group), fetching_environment("PIP", PIP_SETTINGS)
    run(command, env=variables, timeout=INSTALL_SECONDS, hint="if it is the network, run the same command again")
    absent = missing(read_requirements(environment, group), folder=site_packages(environment))
    if absent:
        reason = f"pip did not install into {environment.path}: {', '.join(absent)}"
        raise BuildError(reason, hint="see pip config list: a target, prefix or root in it leads elsewhere")
    write_text(environment.copy(group), content)


def _installing(environment: Environment) -> Lock:
    """Return the lock that prevents a second install into this checkout at the same time."""
    return Lock(
        environment.root / "locks",
        busy=f"{environment.path}: another install has been running for an hour",
        waiting="waiting for another ./inv, which is installing",
        seconds=WAIT_SECONDS,
        report=print_line,
    )


def _use(environment: Environment) -> Lock:
    """Return the lock that processes in the environment share, and that a process which replaces it needs alone."""
    return Lock(
        environment.path,
        busy=f"{environment.path} is out of date, and another ./inv has been using it for an hour",
        waiting="waiting: .venv is out of date, and another ./inv is using it",
        seconds=WAIT_SECONDS,
        report=print_line,
    )


@contextlib.contextmanager
def _emptied(environment: Environment) -> Iterator[None]:
    """Empty the environment's directory, and keep other processes out of it while the block runs."""
    path = environment.path
    path.mkdir(exist_ok=True)
    content = [entry for entry in path.iterdir() if entry != environment.marker]
    if content and not environment.is_ours():
        way = "move it away, or install locks/build.txt into it and run its own invoke"
        raise BuildError(f"{path} was not made by ./inv (it has no made-by)", hint=way)
    with _use(environment):
        # An empty marker means incomplete, so an interrupted install does not count; it still shows that .venv is ours.
        write_text(environment.marker, "")
        for entry in content:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        yield


def print_line(line: str) -> None:
    """Print a line as the launcher does: standard output is the task's."""
    print(f"inv: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Make .venv for the launcher and return its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        make(Environment(root=ROOT))
    except KeyboardInterrupt:
        print_line("stopped: .venv is incomplete; the next ./inv creates it again")
        return 130
    except (BuildError, OSError) as error:
        print_line(describe(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
