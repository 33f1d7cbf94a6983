"""Every judge there is, each demanded: the parsers, shellcheck, lintian and rpmlint on both backends' packages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from consul_docker_host.backends import choose_backend
from consul_docker_host.build import judge_tree, make_keyring_plan, make_plan, refuse_faults
from consul_docker_host.errors import BuildError
from consul_docker_host.formats import artefact_name
from consul_docker_host.payload import FORMATS
from consul_docker_host.plan import Plan
from consul_docker_host.report import say
from consul_docker_host.run import Result, run
from consul_docker_host.toolbox import python_program
from consul_docker_host.workspace import Workspace, only_one

# Hints below a warning are opinions: lintian's "info" wants init.d scripts beside units, which no package has today.
LINTIAN_ARGUMENTS = ("--allow-root", "--pedantic", "--fail-on", "error,warning,pedantic")
JUDGE_TIMEOUT = 300.0


def verify(work: Workspace, *, settings: Path | None) -> None:
    """Ask every judge; one that is missing, and anything but silence, raises BuildError after all were asked."""
    with only_one(work):
        _verify(work, make_plan(work, settings), make_keyring_plan(work, settings))


def _verify(work: Workspace, plan: Plan, keyring: Plan | None) -> None:
    faults: list[str] = []
    for answer in judge_tree(plan):
        say(f"{answer.parser}: {answer.verdict}")
        if not answer.verdict.is_accepted:
            faults.append(f"{answer.program}: {answer.verdict} {answer.reason}".rstrip())
    judged = {"shellcheck": shellcheck(plan), "packages": packages(work, plan)}
    if keyring:
        refuse_faults(keyring)
        judged["keyring package"] = packages(work, keyring)
    for name, results in judged.items():
        bad = [result for result in results if result.returncode]
        say(f"{name}: {'refused' if bad else 'accepted'}")
        faults += [result.output.strip() for result in bad]
    if faults:
        raise BuildError("\n".join(faults), hint="./inv setup.system installs the judges; an override needs a reason")


def shellcheck(plan: Plan) -> Iterator[Result]:
    """Judge every script of the tree and every maintainer script, as POSIX sh."""
    scripts = [plan.tree / entry.path for entry in plan.entries if entry.mode & 0o100]
    scripts += [path for named in plan.scripts.values() for name, path in named.items() if name != "triggers"]
    # The scripts read the files of the shell library by their paths on the host, or by $LIB.
    library = plan.tree / "usr/lib/consul-docker-host"
    options = ["--shell=sh", "--external-sources", f"--source-path={plan.tree}", f"--source-path={library}"]
    yield run([python_program("shellcheck"), *options, *map(str, scripts)], timeout=JUDGE_TIMEOUT, check=False)


def packages(work: Workspace, plan: Plan) -> Iterator[Result]:
    """Build the packages with both backends beside each other, and judge each."""
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        for backend in (choose_backend("nfpm").backend, choose_backend("fpm").backend):
            out = Path(folder, backend.name)
            out.mkdir()
            for package_format in FORMATS:
                path = out / artefact_name(plan, package_format)
                backend.build(plan, package_format, path)
                argv = judge_command(work, path)
                yield run(argv, timeout=JUDGE_TIMEOUT, check=False)


def judge_command(work: Workspace, package: Path) -> list[str]:
    """Return the command that judges one package."""
    if package.suffix == ".deb":
        return ["lintian", *LINTIAN_ARGUMENTS, str(package)]
    return ["rpmlint", "--strict", "--config", str(work.packaging / "rpmlint.toml"), str(package)]
