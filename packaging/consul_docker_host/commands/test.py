"""The tasks that test, lint and validate."""

# ruff: noqa: PLC0415 - heavy modules are imported where they are needed
from __future__ import annotations

from collections.abc import Callable, Mapping

from consul_docker_host.commands.build import build_all, read_settings
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import say
from consul_docker_host.core.workspace import Workspace


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
    from consul_docker_host.prove import lint as linters
    from consul_docker_host.prove import suites

    suites.run_suites((), first={"lint": lambda: linters.lint(Workspace())})


def run_all_tests(*, long: bool = False) -> None:
    """Lint, verify and run all test suites; as root, install missing tools first."""
    from consul_docker_host.prove import lint as linters
    from consul_docker_host.prove import suites

    def is_verified() -> bool:
        try:
            verify()
        except BuildError as error:
            say(str(error))
            return False
        return True

    first = {"lint": lambda: linters.lint(Workspace()), "verify": is_verified}
    _test(*suites.ALL, long=long, first=first)


def run_unit_tests(*, long: bool = False, args: str = "") -> None:
    """Run the unit tests of the builder and of the host's programs."""
    _test("unit", long=long, args=args)


def run_package_tests(*, long: bool = False, args: str = "") -> None:
    """Test that the packages are valid, reproducible and the same from both backends."""
    _test("package", long=long, args=args)


def run_install_tests(*, distro: str = "", story: str = "", long: bool = False, args: str = "") -> None:
    """Test install, upgrade and removal in systemd containers."""
    from consul_docker_host.prove import suites

    chosen = suites.story_options(Workspace(), distro=distro, story=story)
    _test("install", long=long, args=f"{chosen} {args}")


def run_repository_tests(*, long: bool = False, args: str = "") -> None:
    """Test the repository with apt, dnf and a browser."""
    _test("repository", long=long, args=args)


def run_deploy_tests(*, long: bool = False, args: str = "") -> None:
    """Test the deploy over ssh to a server and two clients."""
    _test("deploy", long=long, args=args)


def run_vm_tests(*, long: bool = False, args: str = "") -> None:
    """Test the packages on virtual machines."""
    _test("vm", long=long, args=args)


def run_image_tests(*, long: bool = False, args: str = "") -> None:
    """Test disk images: content, reproducibility, boot."""
    _test("image", long=long, args=args)


def _test(*names: str, long: bool, args: str = "", first: Mapping[str, Callable[[], bool]] | None = None) -> None:
    from consul_docker_host.prove import suites

    suites.prepare(Workspace(), names)
    if any(suites.SUITES[name].takes_packages for name in names):
        build_all()
    suites.run_suites(names, first=first, long=long, args=args)


def setup_system() -> None:
    """Install the tools that the tests need: system packages, fpm, Consul."""
    from consul_docker_host.prove import suites

    suites.prepare(Workspace(), ("verify", *suites.ALL))
