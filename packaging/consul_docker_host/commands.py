"""What each task does, one function a task: the first line of its docstring is what ``inv --list`` shows.

Heavy modules are imported where they are needed: ``inv --list`` and a build with nothing to do need none of them.
"""

# ruff: noqa: PLC0415 - see above
from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from consul_docker_host import memory
from consul_docker_host.errors import BuildError
from consul_docker_host.report import say
from consul_docker_host.toolbox import find_fpm, install_fpm
from consul_docker_host.workspace import Workspace, only_one


def build_all(*, backend: str = "auto", settings: str = "") -> None:
    """Build the deb, the rpm and the cloud-init snippets into dist/."""
    _build("deb", "rpm", "cloud-init", backend=backend, settings=settings)


def build_deb(*, backend: str = "auto", settings: str = "") -> None:
    """Build the deb alone."""
    _build("deb", backend=backend, settings=settings)


def build_rpm(*, backend: str = "auto", settings: str = "") -> None:
    """Build the rpm alone."""
    _build("rpm", backend=backend, settings=settings)


def build_cloud_init(*, settings: str = "") -> None:
    """Build the cloud-init snippets alone."""
    _build("cloud-init", backend="nfpm", settings=settings)


def _build(*targets: str, backend: str, settings: str) -> None:
    work = Workspace()
    override = settings_path(settings)
    # `auto` depends on what is installed, so what it means today is part of the key.
    meaning = f"{backend} {find_fpm() if backend != 'nfpm' else ''}"
    key = memory.build_key(work, backend=meaning, targets=targets, settings=override)
    former = memory.last_build(work)
    if former and memory.is_current(work, former, key):
        for line in (*former.lines, "nothing has changed since: these files are as they were made"):
            say(line)
        return
    from consul_docker_host.build import build

    build(work, backend=backend, targets=targets, settings=override, key=key)


def settings_path(settings: str) -> Path | None:
    """Return the file that --settings names; None where it is not given."""
    if not settings:
        return None
    path, hint = Path(settings), "give a TOML file; packaging/settings.toml explains every key"
    if path.is_dir():
        raise BuildError(f"--settings {settings}: is a folder", hint=hint)
    if not path.exists():
        raise BuildError(f"--settings {settings}: no such file", hint=hint)
    return path


def render(*, settings: str = "") -> None:
    """Render only the tree, to look at it: build/consul-docker-host/tree."""
    from consul_docker_host.build import judge_tree, judgement, make_plan

    work = Workspace()
    with only_one(work):
        plan = make_plan(work, settings_path(settings))
        answers = judge_tree(plan)
    for entry in plan.entries:
        say(f"{entry.mode:04o}  {'conffile' if entry.is_conffile else '':8}  /{entry.path}")
    size = sum(entry.size for entry in plan.entries)
    say(f"{plan.tree.relative_to(work.root)}: {len(plan.entries)} files, {size / 1024:.1f} KiB")
    for line in judgement(answers):
        say(line)


def verify(*, settings: str = "") -> None:
    """Demand every judge of tree and packages: real parsers, shellcheck, lintian, rpmlint."""
    from consul_docker_host import suites
    from consul_docker_host.verify import verify as ask_all

    work = Workspace()
    suites.prepare(work, ("verify",))
    ask_all(work, settings=settings_path(settings))


def lint() -> None:
    """Lint the project itself: ruff, mypy --strict, shellcheck."""
    from consul_docker_host import suites

    suites.run_suites((), first={"lint": lambda: suites.lint(Workspace())})


def run_all_tests(*, long: bool = False) -> None:
    """Lint, verify, and run every suite; installs the system packages it needs."""
    from consul_docker_host import suites

    def is_verified() -> bool:
        try:
            verify()
        except BuildError as error:
            say(str(error))
            return False
        return True

    first = {"lint": lambda: suites.lint(Workspace()), "verify": is_verified}
    _test(*suites.ALL, long=long, first=first)


def run_unit_tests(*, long: bool = False, args: str = "") -> None:
    """Test the builder and the host's scripts, in seconds."""
    _test("unit", long=long, args=args)


def run_package_tests(*, long: bool = False, args: str = "") -> None:
    """Test the packages as files: equal by both backends, reproducible, judged."""
    _test("package", long=long, args=args)


def run_install_tests(*, distro: str = "", story: str = "", long: bool = False, args: str = "") -> None:
    """Test the packages in systemd containers with a real Consul and dnsmasq."""
    from consul_docker_host import suites

    chosen = suites.story_options(Workspace(), distro=distro, story=story)
    _test("install", long=long, args=f"{chosen} {args}")


def run_repository_tests(*, long: bool = False, args: str = "") -> None:
    """Test the repository with real apt, dnf and a browser."""
    _test("repository", long=long, args=args)


def run_vm_tests(*, long: bool = False, args: str = "") -> None:
    """Test the packages on booted machines, one and two of them, in QEMU."""
    _test("vm", long=long, args=args)


def run_image_tests(*, long: bool = False, args: str = "") -> None:
    """Test disk images: what is in them, that they are the same again, and machines that boot them in QEMU."""
    _test("image", long=long, args=args)


def _test(*names: str, long: bool, args: str = "", first: Mapping[str, Callable[[], bool]] | None = None) -> None:
    from consul_docker_host import suites

    suites.prepare(Workspace(), names)
    if any(suites.SUITES[name].takes_packages for name in names):
        build_all()
    suites.run_suites(names, first=first, long=long, args=args)


def run_deploy_tests(*, long: bool = False, args: str = "") -> None:
    """Test the deploy over ssh: one server and two clients in systemd containers."""
    _test("deploy", long=long, args=args)


def deploy(
    *, inventory: str = "", limit: str = "", waves: str = "1,10%", dry: bool = False, json: bool = False
) -> None:
    """Put the package onto the inventory's hosts: servers one by one, clients in waves."""
    from consul_docker_host import fleet

    fleet.start(Workspace(), "deploy", inventory=inventory, limit=limit, waves=waves, dry=dry, as_json=json)


def deploy_remove(
    *, inventory: str = "", limit: str = "", waves: str = "1,10%", dry: bool = False, json: bool = False
) -> None:
    """Take the package off the inventory's hosts; Consul, Docker and their data stay."""
    from consul_docker_host import fleet

    fleet.start(Workspace(), "remove", inventory=inventory, limit=limit, waves=waves, dry=dry, as_json=json)


def setup_fpm() -> None:
    """Install fpm into the user's cache: from the folder of gems in FPM_GEMS, or from RubyGems."""
    say(f"fpm: {install_fpm().program}")


def setup_system() -> None:
    """Install what the tests need: system packages, fpm, a Consul."""
    from consul_docker_host import suites

    suites.prepare(Workspace(), ("verify", *suites.ALL))


def bench_build(*, rounds: str = "7") -> None:
    """Measure a build against bare fpm calls and bare Invoke, as ratios in one run."""
    from consul_docker_host import bench

    bench.build(Workspace(), rounds=rounds_of(rounds))


def bench_repository(*, rounds: str = "7") -> None:
    """Measure how long one more package takes among 2,000, beside apt-ftparchive with its cache in one run."""
    from consul_docker_host.bench_repository import repository

    repository(Workspace(), rounds=rounds_of(rounds))


def bench_host(*, rounds: str = "5") -> None:
    """Measure boot, DNS and start-to-answer on booted machines, with and without the package in one run."""
    _figures("vm", "vm/bench_host.py", rounds=rounds)


def bench_install(*, rounds: str = "5") -> None:
    """Measure how long an install takes beside one of the same files without scripts in one run."""
    _figures("install", "install/bench_install.py", rounds=rounds)


def bench_deploy(*, rounds: str = "3") -> None:
    """Measure a deploy to fifty hosts with sshd beside bare ssh that runs the same commands in one run."""
    _figures("deploy", "deploy/bench_deploy.py", rounds=rounds)


def _figures(suite: str, file: str, *, rounds: str) -> None:
    from consul_docker_host import suites

    count = rounds_of(rounds)
    suites.prepare(Workspace(), (suite,))
    build_all()
    if not suites.run_figures(Workspace(), file, rounds=count):
        raise BuildError("the figures could not all be taken", hint="what happened stands above")


def publish_repository(*, channel: str = "", key: str = "", settings: str = "", with_consul: bool = False) -> None:
    """Add the packages of dist/ to the signed repository in dist/repository/."""
    from consul_docker_host.publishing import publish_dist

    override = settings_path(settings)
    publish_dist(Workspace(), settings=override, channel=channel, key=key, with_consul=with_consul)


def make_repository_key(*, folder: str = "", add: bool = False) -> None:
    """Make the key that signs the repository, in a folder outside the checkout."""
    from consul_docker_host.publishing import make_archive_key

    make_archive_key(Workspace(), folder=folder, add=add)


def build_consul(*, version: str = "", archive: str = "", hashicorp_key: str = "", backend: str = "auto") -> None:
    """Build packages of Consul from its official release archive into dist/consul/, for closed networks."""
    from consul_docker_host.consul import build_packages

    build_packages(Workspace(), version=version, archive=archive, key=hashicorp_key, backend=backend)


def rounds_of(text: str) -> int:
    """Return how often something is timed."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1000):
        raise BuildError(f"--rounds {text}: is not a number from 1 to 999")
    return int(text)


def clean() -> None:
    """Remove build/ and what was built into dist/; what was published and the user's cache stay."""
    import shutil

    work = Workspace()
    shutil.rmtree(work.build, ignore_errors=True)
    # Every version that was ever published is in there, and nowhere else.
    kept = work.dist / "repository"
    if not kept.is_dir():
        shutil.rmtree(work.dist, ignore_errors=True)
        return
    for path in work.dist.iterdir():
        if path != kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    say(f"{kept.relative_to(work.root)}/ stays: remove it by hand if no host needs it")
