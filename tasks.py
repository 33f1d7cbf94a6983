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

from consul_docker_host import commands, commands_image
from consul_docker_host.errors import BuildError, describe
from consul_docker_host.options import HELP


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
        image=commands.run_image_tests,
    ),
    group("repo", commands.publish_repository, key=commands.make_repository_key),
    group("deploy", commands.deploy, remove=commands.deploy_remove),
    group(
        "image",
        commands_image.make_image,
        ami=commands_image.make_ami,
        confext=commands_image.make_confext,
        diff=commands_image.compare_images,
        ignition=commands_image.make_ignition,
    ),
    group("setup", None, fpm=commands.setup_fpm, system=commands.setup_system),
    group(
        "bench",
        None,
        build=commands.bench_build,
        deploy=commands.bench_deploy,
        host=commands.bench_host,
        image=commands_image.bench_image,
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
