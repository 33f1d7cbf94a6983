"""Invoke's tasks: wires names to functions and turns a BuildError into an exit code. No logic lives here."""

from __future__ import annotations

import functools
import inspect
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task

# The source root. It is no package itself: PyPI's `packaging` must stay importable.
sys.path.insert(0, str(Path(__file__).resolve().parent / "packaging"))

from consul_docker_host import commands
from consul_docker_host.errors import BuildError, describe

HELP = {
    "backend": "auto (fpm where it is installed), fpm or nfpm",
    "settings": "a TOML file whose keys win over packaging/settings.toml",
    "distro": "this distribution alone; tests/install/distributions.toml has them",
    "story": "the stories with this word in their name alone, such as upgrade",
    "long": "the long form: more repetitions, more cases",
    "args": "further arguments for pytest, in quotes",
    "channel": "stable or testing; as the settings say where it is not given",
    "key": "the folder or file of the secret key; your own gpg, with its agent or card, where it is not given",
    "with_consul": "take up dist/consul/ too, for a repository in your own network alone",
    "folder": "a folder outside the checkout, made where it is missing",
    "add": "make a second key beside the first, for a change of keys",
    "version": "of Consul, such as 1.22.7",
    "archive": "consul_VERSION_linux_ARCH.zip with SHA256SUMS and .sig beside it, file or address; else for amd64",
    "hashicorp_key": "a file with HashiCorp's public key (https://www.hashicorp.com/trust/security)",
    "inventory": "a pyinfra inventory; pyinfra_deploy/inventory.py is an example",
    "limit": "only these hosts or groups, with commas between",
    "waves": "how many clients at a time: numbers or shares, then all others",
    "dry": "change nothing, tell what would change",
    "json": "the report as JSON, and nothing else, on standard output",
    "rounds": "how often each command is timed; the medians are compared",
}


def wired(function: Callable[..., None]) -> Task[Callable[..., None]]:
    """Return a task with the function's own options, which ends with one message instead of a traceback."""

    @functools.wraps(function)
    def body(_: Context, **options: object) -> None:
        # A cancelled pipeline ends us as Ctrl-C does, with nothing left behind.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        try:
            function(**options)
        except KeyboardInterrupt:
            raise Exit("stopped: what was not finished is not in dist/", code=130) from None
        except (BuildError, OSError, MemoryError) as error:
            raise Exit(describe(error), code=1) from None

    signature = inspect.signature(function)
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    options = [option.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for option in signature.parameters.values()]
    body.__signature__ = signature.replace(parameters=[context, *options])  # type: ignore[attr-defined]
    return Task(body, help={name: HELP[name] for name in signature.parameters})


def group(name: str, default: Callable[..., None] | None, **members: Callable[..., None]) -> Collection:
    """Return a collection of tasks; ``default`` runs under the group's own name."""
    collection = Collection(name)
    if default:
        collection.add_task(wired(default), name="all", default=True)
    for member, function in members.items():
        collection.add_task(wired(function), name=member.replace("_", "-"))
    return collection


ns = Collection(
    group(
        "build",
        commands.build_all,
        deb=commands.build_deb,
        rpm=commands.build_rpm,
        cloud_init=commands.build_cloud_init,
    ),
    group(
        "test",
        commands.run_all_tests,
        unit=commands.run_unit_tests,
        package=commands.run_package_tests,
        install=commands.run_install_tests,
        repository=commands.run_repository_tests,
        deploy=commands.run_deploy_tests,
        vm=commands.run_vm_tests,
    ),
    group("repo", commands.publish_repository, key=commands.make_repository_key),
    group("deploy", commands.deploy, remove=commands.deploy_remove),
    group("setup", None, fpm=commands.setup_fpm, system=commands.setup_system),
    group(
        "bench",
        None,
        build=commands.bench_build,
        host=commands.bench_host,
        install=commands.bench_install,
        repo=commands.bench_repository,
    ),
)
for name, function in (
    ("render", commands.render),
    ("verify", commands.verify),
    ("lint", commands.lint),
    ("consul", commands.build_consul),
    ("clean", commands.clean),
):
    ns.add_task(wired(function), name=name)
