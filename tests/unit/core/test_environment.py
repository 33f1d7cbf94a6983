"""The launcher and the environment it makes: the real venv and pip, and packages of our own instead of an index."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from consul_docker_host.core.environment import Environment, ensure, read_requirements
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import ROOT
from tests.support.speed import scaled
from tests.unit.kit import fake_program, path_with

INVOKE = ""
# Stands for the tasks: prints what it was given, and can stay for as long as its standard input is open.
TASKS = """
import sys
from pathlib import Path
import invoke
print("invoke", *sys.argv[1:], flush=True)
if "--stay" in sys.argv:
    sys.path.insert(0, str(Path(__file__).parent / "packaging"))
    from consul_docker_host.core.environment import Environment, hold
    from consul_docker_host.core.workspace import ROOT
    hold(Environment(root=ROOT))
    print("stays", flush=True)
    sys.stdin.read()
"""
ENSURE = """
import sys
sys.path.insert(0, sys.argv[1] + "/packaging")
from consul_docker_host.core.environment import Environment, ensure
from consul_docker_host.core.workspace import ROOT
try:
    import tiny
except ImportError:
    print("not yet there")
ensure(Environment(root=ROOT), "extra", task="some.task")
import tiny
print("tiny", tiny.VERSION)
"""
CREATED = "inv: creating .venv from locks/build.txt (once, about ten seconds)\n"
ADDED = "inv: adding locks/extra.txt to .venv (once, a minute at most)\n"
PROJECT = """
[project]
dependencies = ["invoke==1.0"]
[dependency-groups]
extra = ["tiny==1.0"]
both = [{include-group = "extra"}, "Other.Name[option]==2; python_version > '3'"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A checkout with the real launcher, and an index in a directory that has two small packages."""

    root: Path
    index: Path

    @property
    def venv(self) -> Path:
        """The environment that the launcher makes."""
        return self.root / ".venv"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the variables by which pip knows the directory as its only index, and ``extra``."""
        return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), **(extra or {})}

    def inv(self, *arguments: str, program: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
        """Run the launcher, by a link to it where ``program`` is one, from a directory beside the checkout."""
        argv = [str(program or self.root / "inv"), *arguments]
        return run(argv, cwd=self.index, env=self.environment(env), timeout=120, check=False)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the launcher in the background; the caller ends it."""
        return subprocess.Popen(
            [str(self.root / "inv"), *arguments],
            env={**os.environ, **self.environment()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def python(self, code: str, env: Mapping[str, str] | None = None) -> Result:
        """Run a program in the environment."""
        argv = [str(self.venv / "bin" / "python"), "-c", code, str(self.root)]
        return run(argv, env=self.environment(env), check=False)

    def lock(self, group: str, name: str, content: str, version: str = "1.0") -> None:
        """Put a package into the index and lock it as the one package of a group."""
        digest = make_wheel(self.index, name, version, content)
        text = f"{name}=={version} \\\n    --hash=sha256:{digest}\n"
        (self.root / "locks" / f"{group}.txt").write_text(text, encoding="utf-8")


def make_wheel(folder: Path, name: str, version: str, content: str) -> str:
    """Write a wheel with one package, whose __main__ is ``content``, and return its SHA-256."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f'VERSION = "{version}"\n',
        f"{name}/__main__.py": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in files.items():
            wheel.writestr(member, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{member},,\n" for member in [*files, f"{info}/RECORD"]))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_checkout(parent: Path, name: str = "checkout") -> Checkout:
    root, index = parent / name, parent / "index"
    (root / "locks").mkdir(parents=True)
    index.mkdir()
    builder = Path("packaging", "consul_docker_host")
    shutil.copytree(ROOT / builder, root / builder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "inv", root / "inv")
    (root / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (root / "tasks.py").write_text(TASKS, encoding="utf-8")
    checkout = Checkout(root=root, index=index)
    checkout.lock("build", "invoke", INVOKE)
    checkout.lock("extra", "tiny", "")
    return checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path)


def answer(checkout: Checkout, *arguments: str) -> str:
    """Return what the fake tasks print."""
    return f"invoke{''.join(' ' + argument for argument in arguments)}\n"


def test_the_first_start_makes_the_environment_and_the_second_does_nothing(checkout: Checkout) -> None:
    first = checkout.inv("build", "--settings", "my file.toml")
    assert (first.returncode, first.stdout) == (0, answer(checkout, "build", "--settings", "my file.toml"))
    assert first.stderr == CREATED
    installed = {path.name for path in (checkout.venv / "lib").glob("python*/site-packages/*")}
    assert {"invoke", "pip"} <= installed
    assert "tiny" not in installed
    # Were anything asked of pip again, an index that is gone would show it.
    shutil.rmtree(checkout.index)
    checkout.index.mkdir()
    assert checkout.inv("build").stderr == ""


def test_a_checkout_may_lie_anywhere(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, """-a b 100% it's "quoted" $HOME back\\slash *""")
    temporary = tmp_path / "tmp dir"
    temporary.mkdir()
    first = checkout.inv("--list", env={"TMPDIR": str(temporary)})
    assert (first.returncode, first.stdout, first.stderr) == (0, answer(checkout, "--list"), CREATED)
    assert checkout.python(ENSURE).stdout == "not yet there\ntiny 1.0\n"
    assert checkout.inv("--list").stderr == ""


def test_a_colon_in_the_path_is_one_message(tmp_path: Path) -> None:
    ended = make_checkout(tmp_path, "a:b").inv("--list")
    assert ended.returncode == 1
    assert "PATH separator" in ended.stderr
    assert "move the checkout to another directory" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_link_to_the_launcher_uses_the_environment_of_the_checkout(checkout: Checkout, tmp_path: Path) -> None:
    elsewhere = tmp_path / "bin"
    (elsewhere / ".venv").mkdir(parents=True)
    (elsewhere / ".venv" / "precious").touch()
    (elsewhere / "inv").symlink_to("inv-link")
    (elsewhere / "inv-link").symlink_to(checkout.root / "inv")
    ended = checkout.inv("--list", program=elsewhere / "inv")
    assert (ended.returncode, ended.stdout) == (0, answer(checkout, "--list"))
    assert [path.name for path in (elsewhere / ".venv").iterdir()] == ["precious"]
    assert checkout.inv("--list").stderr == ""


def test_an_environment_of_somebody_else_is_left_alone(checkout: Checkout) -> None:
    (checkout.venv / "bin").mkdir(parents=True)
    (checkout.venv / "bin" / "precious").touch()
    ended = checkout.inv("--list")
    way = "move it away, or install locks/build.txt into it and run its own invoke"
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"inv: {checkout.venv} was not made by ./inv (it has no made-by)\n  {way}\n"
    assert (checkout.venv / "bin" / "precious").exists()


def test_a_link_to_a_directory_on_another_disk_stays_one(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    checkout.venv.symlink_to(tmp_path / "disk")
    assert checkout.inv("--list").returncode == 0
    checkout.lock("build", "invoke", INVOKE, version="1.1")
    assert checkout.inv("--list").stderr == CREATED
    assert checkout.venv.is_symlink()
    assert (tmp_path / "disk" / "made-by").is_file()


def test_another_lock_or_another_python_makes_it_again(checkout: Checkout) -> None:
    assert checkout.inv("--list").stderr == CREATED
    assert checkout.python(ENSURE).stderr == ADDED
    stray = checkout.venv / "stray"
    stray.touch()
    checkout.lock("extra", "tiny", "", version="1.1")
    assert checkout.inv("--list").stderr == CREATED, "an installed group has changed"
    assert not stray.exists(), "nothing of the old environment is left"
    checkout.lock("extra", "tiny", "", version="1.2")
    assert checkout.inv("--list").stderr == "", "a group that is not installed has changed"
    python = checkout.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python3.11")
    assert checkout.inv("--list").stderr == CREATED
    (checkout.venv / "made-by").write_text(f"{checkout.venv} /usr/bin/python3.10\n", encoding="utf-8")
    assert checkout.inv("--list").stderr == CREATED
    moved = checkout.root.rename(checkout.root.parent / "moved")
    assert run([str(moved / "inv")], env=checkout.environment()).stderr == CREATED, "its scripts name its old place"


def test_an_install_that_failed_is_repeated(checkout: Checkout) -> None:
    failed = checkout.inv("--list", env={"PIP_FIND_LINKS": "/nonexistent"})
    assert failed.returncode == 1
    assert failed.stderr.startswith(CREATED)
    assert "if it is the network, run the same command again" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert checkout.inv("--list").stderr == CREATED
    failed = checkout.python(ENSURE, env={"PIP_FIND_LINKS": "/nonexistent"})
    assert failed.stderr.startswith(ADDED)
    assert "BuildError" in failed.stderr
    assert checkout.inv("--list").stderr == "", "what a build needs is there"
    assert checkout.python(ENSURE).stderr == ADDED


def test_a_hash_that_differs_is_refused(checkout: Checkout) -> None:
    make_wheel(checkout.index, "invoke", "1.0", "print('not what was locked')")
    ended = checkout.inv("--list")
    assert ended.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in ended.stderr


def test_an_interrupted_start_is_repeated(checkout: Checkout) -> None:
    fifo = checkout.index / "invoke-1.0-py3-none-any.whl"
    wheel = fifo.read_bytes()
    fifo.unlink()
    os.mkfifo(fifo)  # pip waits for ever for what nobody writes
    with checkout.start("--list") as started:
        assert started.stderr
        assert started.stderr.readline() == CREATED
        os.kill(only_child(started.pid), signal.SIGTERM)
        assert started.stderr.read() == "inv: stopped: .venv is incomplete; the next ./inv creates it again\n"
    assert started.returncode == 130
    fifo.unlink()
    fifo.write_bytes(wheel)
    ended = checkout.inv("--list")
    assert (ended.returncode, ended.stderr) == (0, CREATED)


def only_child(parent: int) -> int:
    """Return the process that a process has started."""
    # A subshell may stand between the launcher and its Python.
    children = [parent]
    while True:
        found = Path(f"/proc/{children[-1]}/task/{children[-1]}/children").read_text(encoding="ascii").split()
        if not found or b"environment" in Path(f"/proc/{children[-1]}/cmdline").read_bytes():
            return children[-1]
        children.append(int(found[0]))


SETTINGS = {
    "PIP_USER": "1",
    "PIP_TARGET": "/nonexistent/target",
    "PIP_PREFIX": "/nonexistent/prefix",
    "PIP_ROOT": "/nonexistent/root",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_DRY_RUN": "1",
    "PYTHONHOME": "/nonexistent/home",
    "PYTHONSAFEPATH": "1",
    "CDPATH": "/usr",
}


def test_settings_of_the_caller_do_not_lead_elsewhere(checkout: Checkout) -> None:
    ended = checkout.inv("--list", env=SETTINGS)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, answer(checkout, "--list"), CREATED)


def test_a_configuration_that_leads_elsewhere_is_named(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(f"[install]\nuser = true\ntarget = {tmp_path / 'target'}\n", encoding="utf-8")
    ended = checkout.inv("--list", env={"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})
    assert ended.returncode == 1
    assert f"pip did not install into {checkout.venv}: invoke\n  see pip config list" in ended.stderr


def test_a_newer_python_beside_an_old_one_is_found(checkout: Checkout, tmp_path: Path) -> None:
    fakes = tmp_path / "fakes"
    fake_program(fakes, "python3", "exit 1")
    fake_program(fakes, "python3.14", "exit 1")
    fake_program(fakes, "python3.13", f'exec {sys.executable} "$@"')
    ended = checkout.inv("--list", env={"PATH": path_with(fakes)})
    assert (ended.returncode, ended.stderr) == (0, CREATED)


# What a fake Python answers: whether it is 3.11 or later, and whether it has venv and ensurepip.
NEW_WITHOUT_VENV = 'case "$2" in *ensurepip*) exit 1 ;; *) exit 0 ;; esac'
OLD = "exit 1"


@pytest.mark.parametrize(
    ("python3", "python312", "package"),
    [(NEW_WITHOUT_VENV, OLD, "python3-venv"), (OLD, NEW_WITHOUT_VENV, "python3.12-venv"), (OLD, OLD, "python3-venv")],
)
def test_the_package_to_install_is_named(
    checkout: Checkout, tmp_path: Path, python3: str, python312: str, package: str
) -> None:
    fakes = tmp_path / "fakes"
    for name in ("python3", "python3.14", "python3.13", "python3.12", "python3.11"):
        fake_program(fakes, name, {"python3": python3, "python3.12": python312}.get(name, OLD))
    fake_program(fakes, "apt-get", f'echo apt-get "$@" >>{tmp_path}/log')
    fake_program(fakes, "id", "echo 1000")
    install = f"apt-get install -y --no-install-recommends {package}"
    ended = checkout.inv("--list", env={"PATH": path_with(fakes)})
    message = "inv: python3 (3.11 or later) with venv is missing"
    assert (ended.returncode, ended.stderr) == (1, f"{message}. Run: sudo {install}\n")
    assert not (tmp_path / "log").exists()
    fake_program(fakes, "id", "echo 0")
    ended = checkout.inv("--list", env={"PATH": path_with(fakes)})
    assert (ended.returncode, ended.stderr) == (1, f"{message}: {install}\n{message}: install it\n")
    assert (tmp_path / "log").read_text() == f"apt-get update -qq\n{install}\n"


def test_two_first_starts_at_once_share_one_environment(checkout: Checkout) -> None:
    started = [checkout.start("--list") for _ in range(3)]
    ended = [process.communicate(timeout=scaled(120)) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert [out for out, _ in ended] == [answer(checkout, "--list")] * 3
    assert "".join(error for _, error in ended).count(CREATED) == 1


def test_an_environment_in_use_is_not_replaced(checkout: Checkout) -> None:
    assert checkout.inv("--list").returncode == 0
    first = checkout.start("--stay")
    assert first.stdout
    assert first.stdout.readline() == answer(checkout, "--stay")
    assert first.stdout.readline() == "stays\n"
    checkout.lock("build", "invoke", INVOKE, version="1.1")
    second = checkout.start("--list")
    assert second.stderr
    assert second.stderr.readline() == "inv: waiting: .venv is out of date, and another ./inv is using it\n"
    assert (checkout.venv / "bin" / "python").exists()
    first.communicate(timeout=scaled(30))
    out, error = second.communicate(timeout=scaled(120))
    assert (second.returncode, out, error) == (0, answer(checkout, "--list"), CREATED)


def test_a_group_is_added_on_first_use_and_can_be_imported_at_once(checkout: Checkout) -> None:
    checkout.inv("--list")
    first = checkout.python(ENSURE)
    assert (first.stdout, first.stderr) == ("not yet there\ntiny 1.0\n", ADDED)
    shutil.rmtree(checkout.index)
    second = checkout.python(ENSURE)
    assert (second.stdout, second.stderr) == ("tiny 1.0\n", "")


def test_a_group_is_not_added_to_an_environment_that_is_out_of_date(checkout: Checkout) -> None:
    checkout.inv("--list")
    checkout.lock("build", "invoke", INVOKE, version="1.1")
    ended = checkout.python(ENSURE)
    assert "BuildError: .venv is older than locks/\n  ./inv some.task updates it\n" in ended.stderr
    assert "tiny" not in ended.stdout


def test_another_environment_has_the_group_or_hears_what_is_missing(checkout: Checkout) -> None:
    environment = Environment(root=checkout.root)
    text = PROJECT.replace('"tiny==1.0"', '"pytest==0.1", "Hypothesis"')
    (checkout.root / "pyproject.toml").write_text(text, encoding="utf-8")
    ensure(environment, "extra", task="some.task")
    text = PROJECT.replace('"tiny==1.0"', '"pytest==0.1", "no-such.package>2", "none_such"')
    (checkout.root / "pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BuildError) as raised:
        ensure(environment, "extra", task="some.task")
    assert raised.value.message == f"not installed in {sys.prefix}: no-such-package, none-such"
    way = "./inv some.task installs them into .venv; or: pip install --require-hashes -r locks/extra.txt"
    assert raised.value.hint == way
    assert not checkout.venv.exists()


def test_included_groups_count(checkout: Checkout) -> None:
    environment = Environment(root=checkout.root)
    assert read_requirements(environment, "build") == ("invoke",)
    assert read_requirements(environment, "both") == ("tiny", "other-name")


def test_launcher_and_builder_agree_on_the_oldest_python() -> None:
    launcher = (ROOT / "inv").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest = re.search(r'requires-python = ">=3\.(\d+)"', project)
    assert oldest
    assert set(re.findall(r"version_info < \(3, (\d+)\)", launcher)) == {oldest[1]}
