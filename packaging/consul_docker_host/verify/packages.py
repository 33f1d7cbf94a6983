"""Run all validators, each required: the parsers, shellcheck, and lintian and rpmlint on both backends' packages."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.core.programs import python_program
from consul_docker_host.core.report import say
from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import Workspace, only_one
from consul_docker_host.package.control import artefact_name
from consul_docker_host.package.description import FORMATS, Format
from consul_docker_host.package.plan import Plan
from consul_docker_host.package.plans import make_keyring_plan, make_plan
from consul_docker_host.settings.model import Settings
from consul_docker_host.verify import examine

# Hints below a warning are opinions: lintian's "info" asks for init.d scripts beside units, which no package has today.
LINTIAN_ARGUMENTS = ("--allow-root", "--pedantic", "--fail-on", "error,warning,pedantic")
VALIDATOR_TIMEOUT = 300.0
# Writes one format of a plan to a path.
Builder = Callable[[Plan, Format, Path], None]


def verify(work: Workspace, settings: Settings, *, builders: Mapping[str, Builder]) -> None:
    """Run every validator, also on each builder's packages; raise one BuildError if any is missing or refuses."""
    with only_one(work):
        _verify(work, make_plan(settings, work), make_keyring_plan(settings, work), builders)


def _verify(work: Workspace, plan: Plan, keyring: Plan | None, builders: Mapping[str, Builder]) -> None:
    answers, faults = examine(plan, *([keyring] if keyring else []))
    for answer in answers:
        say(f"{answer.parser}: {answer.verdict}")
        if not (answer.verdict.is_accepted or answer.findings):
            faults.append(f"{answer.program}: {answer.verdict} {answer.reason}".rstrip())
    results_by_name = {"shellcheck": shellcheck(plan), "packages": packages(work, plan, builders)}
    if keyring:
        results_by_name["keyring package"] = packages(work, keyring, builders)
    for name, results in results_by_name.items():
        # A backend may be unable to write a package of a faulty tree.
        mistakes, bad = Mistakes(), []
        with mistakes.collected():
            for result in results:
                bad += [result.output.strip()] if result.returncode else []
        bad += map(str, mistakes.errors)
        say(f"{name}: {'refused' if bad else 'accepted'}")
        faults += bad
    if faults:
        raise BuildError(
            "\n".join(faults), hint="./inv setup.system installs the validators; an override needs a reason"
        )


def shellcheck(plan: Plan) -> Iterator[Result]:
    """Run shellcheck on every script of the tree and every maintainer script, as POSIX sh."""
    scripts = [plan.tree / entry.path for entry in plan.entries if entry.mode & 0o100]
    scripts += [path for named in plan.scripts.values() for name, path in named.items() if name != "triggers"]
    # The scripts read the files of the shell library by their paths on the host, or by $LIB.
    library = plan.tree / "usr/lib/consul-docker-host"
    options = ["--shell=sh", "--external-sources", f"--source-path={plan.tree}", f"--source-path={library}"]
    yield run([python_program("shellcheck"), *options, *map(str, scripts)], timeout=VALIDATOR_TIMEOUT, check=False)


def packages(work: Workspace, plan: Plan, builders: Mapping[str, Builder]) -> Iterator[Result]:
    """Build the packages with every builder, and validate each package."""
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        for name, build in builders.items():
            out = Path(folder, name)
            out.mkdir()
            for package_format in FORMATS:
                path = out / artefact_name(plan, package_format)
                build(plan, package_format, path)
                argv = validator_command(work, path)
                yield run(argv, timeout=VALIDATOR_TIMEOUT, check=False)


def validator_command(work: Workspace, package: Path) -> list[str]:
    """Return the command that validates one package."""
    if package.suffix == ".deb":
        return ["lintian", *LINTIAN_ARGUMENTS, str(package)]
    return ["rpmlint", "--strict", "--config", str(work.packaging / "rpmlint.toml"), str(package)]
