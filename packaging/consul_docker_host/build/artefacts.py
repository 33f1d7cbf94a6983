"""Build the artefacts from the settings: all are written beside dist/ and renamed once every one is complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from consul_docker_host.backends import Choice
from consul_docker_host.build import last
from consul_docker_host.core.report import say, stage, table
from consul_docker_host.core.run import end_running
from consul_docker_host.core.workspace import Workspace, file_digest, fresh_folder, only_one
from consul_docker_host.package import control
from consul_docker_host.package.description import FORMATS, Format
from consul_docker_host.package.plan import Plan
from consul_docker_host.package.plans import make_keyring_plan, make_plan
from consul_docker_host.settings.model import Settings
from consul_docker_host.snippets import clouds
from consul_docker_host.verify import validate_tree, verdict_lines
from consul_docker_host.verify.parsers import Answer

TARGETS = ("deb", "rpm", "cloud-init")
SUMS = "SHA256SUMS"
# This snippet names the packages' digests, so every build of a package writes it as well.
PACKAGE_SNIPPET = "cloud-init/package.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One file for dist/: its name there, its source, and the program that writes it."""

    name: str
    source: str
    maker: str


def build(work: Workspace, settings: Settings, *, choice: Choice, targets: tuple[str, ...], key: str) -> None:
    """Build the targets (some of TARGETS) into dist/ and print what was built."""
    with only_one(work):
        plan, beside_it = make_plan(settings, work), make_keyring_plan(settings, work)
        plans = (plan, beside_it) if beside_it else (plan,)
        with stage("validating"):
            answers = validate_tree(plan, *plans[1:])
        former = last.last_build(work)
        with fresh_folder(work) as beside:
            with stage(f"{choice.backend.name} writes {', '.join(targets)}"):
                artefacts = make_artefacts(work, plans, choice, targets, beside)
                was_built = former is not None and PACKAGE_SNIPPET in former.outputs
                is_wanted = "cloud-init" in targets or was_built
                snippet = make_package_snippet(work, plan, Path(beside), former) if is_wanted else None
                artefacts += [snippet] if snippet else []
            outputs = replace_artefacts(work, [artefact.name for artefact in artefacts], beside, former)
        lines = summary(work, artefacts, answers, choice)
        if is_wanted and not snippet:
            lines += (f"dist/{PACKAGE_SNIPPET} was not built: dist/ has no package of this version; run ./inv build",)
        key_file = plan.repository.key_file
        outside = {str(key_file): file_digest(key_file)} if key_file else {}
        last.remember(work, last.Built(key=key, lines=lines, outputs=outputs, outside=outside))
    for line in lines:
        say(line)


def make_artefacts(
    work: Workspace, plans: Sequence[Plan], choice: Choice, targets: tuple[str, ...], folder: str
) -> list[Artefact]:
    """Write the targets into ``folder``, the packages in parallel, and return the artefacts.

    The snippets are built from the first plan.
    """
    formats_wanted: list[Format] = [target for target in ("deb", "rpm") if target in targets]
    wanted = [(plan, package_format) for plan in plans for package_format in formats_wanted]
    backend = choice.backend
    with ThreadPoolExecutor(max_workers=2) as pool:
        running = [
            pool.submit(backend.build, plan, package_format, Path(folder, control.artefact_name(plan, package_format)))
            for plan, package_format in wanted
        ]
        try:
            made = list(_cloud_init(work, plans[0], Path(folder))) if "cloud-init" in targets else []
            for job in running:
                job.result()
        except BaseException:
            # The pool waits for its threads, and a thread may be about to start a program: repeat until all have ended.
            while wait(running, timeout=0.05).not_done:
                end_running()
            raise
    packages = [
        Artefact(
            name=control.artefact_name(plan, package_format),
            source=f"{len(plan.entries_for(package_format))} files",
            maker=backend.name,
        )
        for plan, package_format in wanted
    ]
    return packages + made


def _cloud_init(work: Workspace, plan: Plan, folder: Path) -> Iterator[Artefact]:
    from consul_docker_host.snippets import cloudinit  # noqa: PLC0415 - 50 ms that only snippets need

    for name, text in cloudinit.snippets(plan, work.packaging / "cloud-init").items():
        cloudinit.write_snippet(text, folder / "cloud-init" / name)
        source = f"{len(cloudinit.inline_files(plan))} files" if name == "inline.yaml" else "repository"
        yield Artefact(name=f"cloud-init/{name}", source=source, maker=f"ruamel.yaml; {clouds.verdict(text)}")


def make_package_snippet(work: Workspace, plan: Plan, folder: Path, former: last.Built | None) -> Artefact | None:
    """Write the snippet that fetches the packages in dist/; return None if dist/ will contain none of the plan's.

    A format that this build does not write is used as the earlier build left it.
    """
    from consul_docker_host.snippets import cloudinit  # noqa: PLC0415 - 50 ms that only snippets need

    downloads: dict[Format, cloudinit.Download] = {}
    for package_format in FORMATS:
        name = control.artefact_name(plan, package_format)
        is_left = former is not None and name in former.outputs and not (folder / name).exists()
        digest = file_digest((work.dist if is_left else folder) / name)
        if digest:
            downloads[package_format] = cloudinit.Download(name=name, sha256=digest)
    if not downloads:
        return None
    text = cloudinit.package_snippet(plan, work.packaging / "cloud-init", downloads)
    cloudinit.write_snippet(text, folder / PACKAGE_SNIPPET)
    missing = "".join(f"; {name} hosts refuse it: dist/ has no {name}" for name in FORMATS if name not in downloads)
    maker = f"ruamel.yaml; {clouds.verdict(text)}{missing}"
    return Artefact(name=PACKAGE_SNIPPET, source=" and ".join(downloads), maker=maker)


def replace_artefacts(work: Workspace, names: list[str], beside: str, former: last.Built | None) -> dict[str, str]:
    """Move the artefacts into dist/, write SHA256SUMS, and remove outdated artefacts; return each output's SHA-256.

    Artefacts of other targets are kept, in dist/ and in SHA256SUMS.
    """
    others = [name for name in (former.outputs if former else ()) if name not in names and name != SUMS]
    targets = {target_of(name) for name in names}
    kept = [name for name in others if target_of(name) not in targets and (work.dist / name).is_file()]
    # The snippet names the digests of packages, so an old one is useless beside new packages.
    kept = [name for name in kept if name != PACKAGE_SNIPPET]
    digests = {name: file_digest(Path(beside, name)) for name in names}
    digests |= {name: file_digest(work.dist / name) for name in kept}
    # SHA256SUMS is written before the first rename, so that a full disk leaves dist/ unchanged.
    lines = (f"{digests[name]}  {name}\n" for name in sorted(digests))
    Path(beside, SUMS).write_text("".join(lines), encoding="utf-8")
    for name in names:
        (work.dist / name).parent.mkdir(parents=True, exist_ok=True)
    for name in (*names, SUMS):
        Path(beside, name).chmod(0o644)
        Path(beside, name).replace(work.dist / name)
    for name in set(others) - set(kept):
        (work.dist / name).unlink(missing_ok=True)
    return digests | {SUMS: file_digest(work.dist / SUMS)}


def target_of(name: str) -> str:
    """Return the target that an artefact of this name belongs to."""
    if name == PACKAGE_SNIPPET:
        return PACKAGE_SNIPPET
    return "cloud-init" if name.startswith("cloud-init/") else Path(name).suffix.lstrip(".")


def summary(work: Workspace, artefacts: list[Artefact], answers: tuple[Answer, ...], choice: Choice) -> tuple[str, ...]:
    """Return the lines that list the artefacts, the backend and the validators."""
    rows = [
        (f"dist/{artefact.name}", artefact.source, f"{_size(work.dist / artefact.name)}", artefact.maker)
        for artefact in artefacts
    ]
    lines = [f"backend: {choice.backend.name} ({choice.reason})", *table(("made", "from", "size", "by"), rows)]
    return (*lines, *verdict_lines(answers))


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1024:.1f} KiB"
