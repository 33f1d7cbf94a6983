"""The tasks that test, lint and validate."""

# ruff: noqa: PLC0415 - heavy modules are imported where they are needed
from __future__ import annotations

from typing import TYPE_CHECKING

from consul_docker_host.commands.build import build_all, read_settings
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import say
from consul_docker_host.core.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_docker_host.prove.choices import Choice


def verify(*, settings: str = "") -> None:
    """Run all validators of the tree and the packages; fail if one is missing."""
    from consul_docker_host.backends import choose_backend
    from consul_docker_host.prove import suites
    from consul_docker_host.verify.packages import verify as run_validators

    work = Workspace()
    chosen = read_settings(work, settings)
    suites.prepare(work, ("verify",))
    backends = (choose_backend("nfpm").backend, choose_backend("fpm").backend)
    builders = {backend.name: backend.build for backend in backends}
    run_validators(work, chosen, builders=builders)


def lint() -> None:
    """Check style and types with ruff, mypy, shellcheck, shfmt and rules for shell."""
    _test("lint")


def run_all_tests(
    *,
    quick: bool = False,
    shard: str = "",
    suite: str = "",
    junit: str = "",
    retries: str = "0",
    keep: bool = False,
    long: bool = False,
) -> None:
    """Lint, verify and run all test suites; as root, install missing tools first."""
    from consul_docker_host.prove import choices, suites

    names, choice = choices.choose(
        suites.EVERYTHING,
        suite=suite,
        shard=shard,
        junit=junit,
        retries=retries,
        keep=keep,
        long=long,
        quick=quick,
    )
    _test(*names, choice=choice, args=choices.QUICK_ARGS if quick else None)


def run_unit_tests(*, long: bool = False, args: str = "") -> None:
    """Run the unit tests of the builder and of the host's programs."""
    _test_suite("unit", long=long, args=args)


def run_package_tests(*, long: bool = False, args: str = "") -> None:
    """Test that the packages are valid, reproducible and the same from both backends."""
    _test_suite("package", long=long, args=args)


def run_install_tests(
    *, distro: str = "", story: str = "", keep: bool = False, long: bool = False, args: str = ""
) -> None:
    """Test install, upgrade and removal in systemd containers."""
    from consul_docker_host.prove import suites

    chosen = suites.story_options(Workspace(), distro=distro, story=story)
    _test_suite("install", keep=keep, long=long, args=f"{chosen} {args}")


def run_repository_tests(*, keep: bool = False, long: bool = False, args: str = "") -> None:
    """Test the repository with apt, dnf and a browser."""
    _test_suite("repository", keep=keep, long=long, args=args)


def run_deploy_tests(*, keep: bool = False, long: bool = False, args: str = "") -> None:
    """Test the deploy over ssh to a server and two clients."""
    _test_suite("deploy", keep=keep, long=long, args=args)


def run_vm_tests(*, keep: bool = False, long: bool = False, args: str = "") -> None:
    """Test the packages on virtual machines."""
    _test_suite("vm", keep=keep, long=long, args=args)


def run_image_tests(*, long: bool = False, args: str = "") -> None:
    """Test disk images: content, reproducibility, boot."""
    _test_suite("image", long=long, args=args)


def _test_suite(name: str, *, long: bool, args: str, keep: bool = False) -> None:
    from consul_docker_host.prove.choices import Choice

    _test(name, choice=Choice(is_long=long, is_kept=keep), args={name: args})


def _test(*names: str, choice: Choice | None = None, args: Mapping[str, str] | None = None) -> None:
    from consul_docker_host.prove import lint as linters
    from consul_docker_host.prove import suites
    from consul_docker_host.prove.choices import Choice

    work, chosen = Workspace(), choice or Choice()
    parts = suites.shard_parts(work, names, chosen)
    needed = [name for name in names if parts is None or name in parts]
    if chosen.shard:
        say(f"== shard {chosen.shard}: {', '.join(needed) or 'nothing'}")
    suites.prepare(work, needed)
    if any(suites.SUITES[name].takes_packages for name in needed if name in suites.SUITES):
        build_all()
    steps = {"lint": lambda: linters.lint(work), "verify": _verify_step}
    suites.run_suites(names, steps=steps, choice=chosen, args=args)


def _verify_step() -> dict[str, str]:
    try:
        verify()
    except BuildError as error:
        say(str(error))
        return {"verify": str(error)}
    return {"verify": ""}


def repeat_test(name: str, *, times: str = "20", load: str = "0", long: bool = False) -> None:
    """Run one story many times beside a load, and report how often it passed."""
    from consul_docker_host.prove import repeat, suites

    work = Workspace()
    wanted = repeat.wanted(work, name, times=times, load=load, is_long=long)
    suites.prepare(work, (wanted.suite,))
    if suites.SUITES[wanted.suite].takes_packages:
        build_all()
    repeat.repeat(work, wanted)


def write_times() -> None:
    """Write tests/times.toml, by which shards are balanced, from the last complete runs."""
    from consul_docker_host.prove import suites, times

    work = Workspace()
    written = times.rewrite_times(work, suites.EVERYTHING)
    say(f"{times.times_file(work).relative_to(work.root)}: {', '.join(written)}")


def show_cache(*, prune: bool = False) -> None:
    """Show what the cache contains, how large and how old it is; with --prune, remove what is outdated."""
    from consul_docker_host.prove import cache

    cache.show(Workspace(), prune=prune)


def setup_system() -> None:
    """Install the tools that the tests need: system packages, fpm, Consul."""
    from consul_docker_host.prove import suites

    suites.prepare(Workspace(), ("verify", *suites.ALL))
