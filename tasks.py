"""Define Invoke's tasks: map names to functions and a BuildError to an exit code. There is no logic here."""

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

# The source root. It is not a package itself: PyPI's `packaging` must stay importable.
sys.path.insert(0, str(Path(__file__).resolve().parent / "packaging"))

from consul_docker_host.commands import bench, build, deploy, image, repository, test
from consul_docker_host.commands.options import group_of, help_of
from consul_docker_host.commands.program import Inv
from consul_docker_host.core.environment import Environment, ensure, hold
from consul_docker_host.core.errors import BuildError, describe
from consul_docker_host.core.workspace import ROOT

ENVIRONMENT = Environment(root=ROOT)
hold(ENVIRONMENT)


def wired(task: str, function: Callable[..., None]) -> Task[Callable[..., None]]:
    """Return a task with the function's own options that reports a mistake in one message instead of a traceback."""

    @functools.wraps(function)
    def body(_: Context, **options: object) -> None:
        # A cancelled pipeline sends these signals; they end the task like Ctrl-C, with nothing left behind.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        try:
            if needed:
                ensure(ENVIRONMENT, needed, task=task)
            function(**options)
        except KeyboardInterrupt:
            raise Exit("interrupted: dist/ contains only finished artefacts", code=130) from None
        except (BuildError, OSError, MemoryError) as error:
            raise Exit(describe(error), code=1) from None

    needed = group_of(task)
    signature = inspect.signature(function)
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    options = [option.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for option in signature.parameters.values()]
    body.__signature__ = signature.replace(parameters=[context, *options])  # type: ignore[attr-defined]
    return Task(body, help={name: help_of(task, name) for name in signature.parameters})


def group(name: str, default: Callable[..., None] | None, **members: Callable[..., None]) -> Collection:
    """Return a collection of tasks; ``default`` runs under the group's own name."""
    collection = Collection(name)
    if default:
        collection.add_task(wired(name, default), name="all", default=True)
    for member, function in members.items():
        task = member.replace("_", "-")
        collection.add_task(wired(f"{name}.{task}", function), name=task)
    return collection


ns = Collection(
    group(
        "build",
        build.build_all,
        deb=build.build_deb,
        rpm=build.build_rpm,
        cloud_init=build.build_cloud_init,
    ),
    group(
        "test",
        test.run_all_tests,
        unit=test.run_unit_tests,
        package=test.run_package_tests,
        install=test.run_install_tests,
        repository=test.run_repository_tests,
        deploy=test.run_deploy_tests,
        vm=test.run_vm_tests,
        image=test.run_image_tests,
        repeat=test.repeat_test,
        times=test.write_times,
    ),
    group("repo", repository.publish_repository, key=repository.make_repository_key),
    group("deploy", deploy.deploy, remove=deploy.deploy_remove),
    group(
        "image",
        image.make_image,
        ami=image.make_ami,
        confext=image.make_confext,
        diff=image.compare_images,
        ignition=image.make_ignition,
    ),
    group("setup", None, fpm=build.setup_fpm, system=test.setup_system),
    group(
        "bench",
        None,
        build=bench.bench_build,
        check=bench.bench_check,
        deploy=bench.bench_deploy,
        host=bench.bench_host,
        image=bench.bench_image,
        install=bench.bench_install,
        repo=bench.bench_repository,
        test=bench.bench_test,
    ),
)
for name, function in (
    ("render", build.render),
    ("verify", test.verify),
    ("lint", test.lint),
    ("consul", repository.build_consul),
    ("lock", build.lock),
    ("cache", test.show_cache),
    ("clean", build.clean),
):
    ns.add_task(wired(name, function), name=name)

if __name__ == "__main__":
    Inv(ns).run()
