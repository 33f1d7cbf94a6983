"""The tasks as a user types them: names, help, one message for a mistake, and the exit code."""

from __future__ import annotations

import errno
import inspect
import sys
from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

import tasks
from consul_docker_host.commands import bench, build, deploy, image, repository, test
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from tests.unit.kit import copy_checkout, inv


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return copy_checkout(tmp_path_factory.mktemp("tasks") / "checkout")


def test_every_command_is_a_task_with_one_line_of_help(work: Workspace) -> None:
    listed = inv(work, "--list")
    assert listed.returncode == 0
    assert (listed.stderr, "Traceback" in listed.stdout) == ("", False)
    found = [
        (module, one) for module in (bench, build, deploy, image, repository, test) for one in vars(module).values()
    ]
    functions = [one for module, one in found if inspect.isfunction(one) and one.__module__ == module.__name__]
    helpers: set[object] = {build.settings_path, build.read_settings, bench.rounds_of}
    public = [function for function in functions if not function.__name__.startswith("_") and function not in helpers]
    assert len(public) > 10
    # The list is wrapped, also at hyphens.
    words = "".join(listed.stdout.split())
    for function in public:
        first = (function.__doc__ or "").splitlines()[0]
        assert "".join(first.split()) in words, f"{function.__name__} is no task, or hides its help"


@pytest.mark.parametrize(
    "task",
    [
        *("build", "build.deb", "build.rpm", "build.cloud-init", "render", "test.unit", "verify"),
        *("repo", "repo.key", "consul", "bench.repo", "bench.deploy", "bench.image"),
        *("image", "image.ami", "image.confext", "image.diff", "image.ignition"),
    ],
)
def test_every_option_explains_itself(work: Workspace, task: str) -> None:
    shown = inv(work, "--help", task)
    assert shown.returncode == 0, shown.output
    options = [line for line in shown.stdout.splitlines() if line.lstrip().startswith("-")]
    assert options
    assert "none" not in shown.stdout.partition("Options:")[2].split()


NO_FILE = "--settings none.toml: no such file\n  give a TOML file; packaging/settings.toml explains every key\n"
MISTAKES = [
    (("build", "--backend", "fmp"), "--backend fmp: unknown backend\n  use auto, fpm, nfpm\n"),
    (("build", "--settings", "none.toml"), NO_FILE),
    (("render", "--settings", "none.toml"), NO_FILE),
    (
        ("build", "--settings", "bad.toml"),
        "bad.toml:2: dns.ttl: 9 is out of range; it must be between 0 and 2\n  1 mistake; ",
    ),
    (("image",), "the image would contain no Consul, and the boot test needs one\n  add --with consul=FILE"),
    (
        ("image", "--accel", "xen", "--no-proof"),
        "--accel xen: unknown accelerator\n  use tcg, which works everywhere, or kvm\n",
    ),
    (("build", "--backend", "fpm"), "fpm is neither on the PATH nor in the cache\n  ./inv setup.fpm installs it\n"),
]


@pytest.mark.parametrize(("arguments", "told"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_a_mistake_is_one_message_with_its_remedy_and_exit_code_1(
    work: Workspace, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    (work.root / "bad.toml").write_text("[dns]\nttl = 9\n")
    # An own cache and PATH: this machine may have an fpm.
    ended = inv(work, *arguments, env={"XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(told)
    assert len(ended.stderr.splitlines()) == 2


TASKS, OPTIONS = "  ./inv --list shows all tasks\n", "  ./inv --help {} shows its options\n"
TYPOS = [
    (("biuld",), "unknown task biuld; did you mean build?\n" + TASKS),
    (("test.instal",), "unknown task test.instal; did you mean test.install?\n" + TASKS),
    (("--help", "biuld"), "unknown task biuld; did you mean build?\n" + TASKS),
    (("build", "deb"), "unknown task deb; did you mean build.deb?\n" + TASKS),
    (("zzz",), "unknown task zzz\n" + TASKS),
    (
        ("build", "--setings", "x"),
        "build: unknown option --setings; did you mean --settings?\n" + OPTIONS.format("build"),
    ),
    (("build.rpm", "--bakend=fpm"), "build.rpm: unknown option --bakend; did you mean --backend?\n"),
    (("image", "--no-prof"), "image: unknown option --no-prof; did you mean --no-proof?\n" + OPTIONS.format("image")),
    (("build", "--settings"), "build: --settings needs a value\n" + OPTIONS.format("build")),
    (("--lst",), "unknown option --lst; did you mean --list?\n  ./inv --help shows all options\n"),
    (("clean", "\x1b[2J"), "unknown task \\x1b[2J\n" + TASKS),
]


@pytest.mark.parametrize(("arguments", "told"), TYPOS, ids=[ascii(" ".join(arguments)) for arguments, _ in TYPOS])
def test_a_typing_mistake_is_answered_by_the_nearest_option_or_task(
    work: Workspace, arguments: tuple[str, ...], told: str
) -> None:
    ended = inv(work, *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(told)
    assert len(ended.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (BuildError("fact", hint="remedy"), 1, "fact\n  remedy"),
        (OSError(errno.EACCES, "Permission denied", "dist"), 1, "dist: Permission denied"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "No space left on device\n  free some disk space and retry",
        ),
        (MemoryError(), 1, "MemoryError"),
        (KeyboardInterrupt(), 130, "interrupted: dist/ contains only finished artefacts"),
    ],
)
def test_an_error_becomes_one_message_and_an_exit_code(error: BaseException, code: int, told: str) -> None:
    def fails() -> None:
        """Fail."""
        raise error

    with pytest.raises(Exit) as caught:
        tasks.wired("fails", fails)(Context())
    assert caught.value.code == code
    assert str(caught.value.message).startswith(told)


def test_a_bug_keeps_its_traceback() -> None:
    """Only what a user can fix is reported in one line."""

    def fails() -> None:
        """Fail."""
        raise AttributeError("a bug")

    with pytest.raises(AttributeError):
        tasks.wired("fails", fails)(Context())


def test_a_task_names_what_it_needs_and_how_to_get_it(work: Workspace) -> None:
    project = work.root / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(text.replace('"boto3==', '"no-such-package==1",\n    "boto3=='), encoding="utf-8")
    ended = inv(work, "image.ami", "--image", "none.raw")
    project.write_text(text, encoding="utf-8")
    way = "./inv image.ami installs them into .venv; or: pip install --require-hashes -r locks/aws.txt"
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"not installed in {sys.prefix}: no-such-package\n  {way}\n"
    ended = inv(work, "image.ami", "--image", "none.raw")
    assert ended.stderr.startswith("--image none.raw: no such file"), "with the dependency present the task runs"
