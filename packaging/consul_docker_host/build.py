"""One build: settings to tree to artefacts, each written beside its place and renamed when all of them are whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from consul_docker_host import formats, keyring, memory
from consul_docker_host.backends import Choice, choose_backend
from consul_docker_host.changelog import Release
from consul_docker_host.checks import check_tree
from consul_docker_host.errors import BuildError
from consul_docker_host.parsers import PARSERS, Answer, Verdict
from consul_docker_host.payload import Format, collect_payload, load_package
from consul_docker_host.plan import Plan
from consul_docker_host.render import Rendered, render_keyring, render_tree
from consul_docker_host.report import say, stage, table
from consul_docker_host.run import end_running
from consul_docker_host.settings import load_settings
from consul_docker_host.workspace import BESIDE, PROJECT, Workspace, only_one

TARGETS = ("deb", "rpm", "cloud-init")
SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One file for dist/: its name there, what it is made from, and by which program."""

    name: str
    source: str
    maker: str


def make_plan(work: Workspace, settings: Path | None) -> Plan:
    """Render the tree and return the plan of the package."""
    chosen = load_settings(work.packaging / "settings.toml", settings)
    package = load_package(work.packaging / "packages" / f"{PROJECT}.toml")
    return render_tree(chosen, package, collect_payload(package, work.files), work)


def make_keyring_plan(work: Workspace, settings: Path | None) -> Plan | None:
    """Render the keyring package's tree and return its plan; None where the settings name no key."""
    chosen = load_settings(work.packaging / "settings.toml", settings)
    if not chosen.repository.key_file:
        return None
    package = load_package(work.packaging / "packages" / f"{keyring.PACKAGE}.toml")
    return render_tree(chosen, package, (), work, made=render_keyring(chosen, work))


def judge_tree(plan: Plan) -> tuple[Answer, ...]:
    """Check the tree in process and by the parsers that are here; a refusal raises BuildError with every finding."""
    refuse_faults(plan)
    answers = tuple(parser.judge(plan) for parser in PARSERS)
    refused = [f"{answer.program}: {finding}" for answer in answers for finding in answer.findings]
    if refused:
        raise BuildError("\n".join(refused), hint=f"{plan.tree} holds the rendered files; no package was written")
    return answers


def make_consul_plan(work: Workspace, program: bytes, licence: bytes, release: Release, *, architecture: str) -> Plan:
    """Render the tree of Consul's package around the official program and return its plan."""
    chosen = load_settings(work.packaging / "settings.toml")
    ours = {"version": release.version, "revision": "1", "homepage": "https://developer.hashicorp.com/consul"}
    theirs = chosen.model_copy(update={"package": chosen.package.model_copy(update=ours)})
    described = load_package(work.packaging / "packages" / "consul.toml")
    package = described.model_copy(update={"architecture": architecture})
    files = work.packaging / "consul"
    made = [Rendered(path="usr/bin/consul", content=program, mode=0o755)]
    if licence:
        made.append(Rendered(path="usr/share/doc/consul/LICENSE.txt", content=licence))
    payload = collect_payload(package, files)
    plan = render_tree(theirs, package, payload, work, made=made, files=files, history=(release,))
    return replace(plan, compression="gzip")


def refuse_faults(plan: Plan) -> None:
    """Check the tree in process; a fault raises BuildError with every finding."""
    findings = [str(finding) for finding in check_tree(plan)]
    if findings:
        raise BuildError("\n".join(findings), hint=f"{plan.tree} holds the rendered files; no package was written")


def build(work: Workspace, *, backend: str, targets: tuple[str, ...], settings: Path | None, key: str) -> None:
    """Make the targets (some of TARGETS) into dist/ and tell the user what was made."""
    choice = choose_backend(backend)
    with only_one(work):
        plan, beside_it = make_plan(work, settings), make_keyring_plan(work, settings)
        plans = (plan, beside_it) if beside_it else (plan,)
        if beside_it:
            refuse_faults(beside_it)
        with stage("asking the parsers"):
            answers = judge_tree(plan)
        former = memory.last_build(work)
        with fresh_folder(work) as beside:
            with stage(f"{choice.backend.name} writes {', '.join(targets)}"):
                artefacts = make_artefacts(plans, choice, targets, beside)
            outputs = publish(work, [artefact.name for artefact in artefacts], beside, former)
        lines = summary(work, artefacts, answers, choice)
        key_file = plan.repository.key_file
        outside = {str(key_file): memory.file_digest(key_file)} if key_file else {}
        memory.remember(work, memory.Built(key=key, lines=lines, outputs=outputs, outside=outside))
    for line in lines:
        say(line)


def fresh_folder(work: Workspace) -> tempfile.TemporaryDirectory[str]:
    """Return a folder on the file system of dist/, removed in every case."""
    work.dist.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=BESIDE, dir=work.dist)


def make_artefacts(plans: Sequence[Plan], choice: Choice, targets: tuple[str, ...], folder: str) -> list[Artefact]:
    """Write the targets into a folder, the packages at the same time, and return what was made.

    The snippets are made from the first plan.
    """
    formats_wanted: list[Format] = [target for target in ("deb", "rpm") if target in targets]
    wanted = [(plan, package_format) for plan in plans for package_format in formats_wanted]
    backend = choice.backend
    with ThreadPoolExecutor(max_workers=2) as pool:
        running = [
            pool.submit(backend.build, plan, package_format, Path(folder, formats.artefact_name(plan, package_format)))
            for plan, package_format in wanted
        ]
        try:
            made = list(_cloud_init(plans[0], Path(folder, "cloud-init"))) if "cloud-init" in targets else []
            for job in running:
                job.result()
        except BaseException:
            # The pool waits for its threads, and a thread may be about to start its program: until all have ended.
            while wait(running, timeout=0.05).not_done:
                end_running()
            raise
    packages = [
        Artefact(
            name=formats.artefact_name(plan, package_format),
            source=f"{len(plan.entries_for(package_format))} files",
            maker=backend.name,
        )
        for plan, package_format in wanted
    ]
    return packages + made


def _cloud_init(plan: Plan, folder: Path) -> Iterator[Artefact]:
    from consul_docker_host import cloudinit  # noqa: PLC0415 - 50 ms that only snippets need

    for path in cloudinit.write_snippets(cloudinit.snippets(plan), folder):
        size = cloudinit.gzipped_size(path.read_text(encoding="utf-8"))
        maker = f"ruamel.yaml ({size / 1024:.1f} of {cloudinit.limit_of(path.name)[0] // 1024} KiB gzipped)"
        yield Artefact(name=f"cloud-init/{path.name}", source=f"{len(plan.entries)} files", maker=maker)


def publish(work: Workspace, names: list[str], beside: str, former: memory.Built | None) -> dict[str, str]:
    """Move the artefacts into dist/, write SHA256SUMS, and remove what an earlier build made and this one did not.

    Returns each output's SHA-256. Artefacts of other targets stay, and stay in SHA256SUMS.
    """
    others = [name for name in (former.outputs if former else ()) if name not in names and name != SUMS]
    kinds = {kind(name) for name in names}
    kept = [name for name in others if kind(name) not in kinds and (work.dist / name).is_file()]
    digests = {name: memory.file_digest(Path(beside, name)) for name in names}
    digests |= {name: memory.file_digest(work.dist / name) for name in kept}
    # Whatever a full disk could refuse comes before the first file changes its place.
    lines = (f"{digests[name]}  {name}\n" for name in sorted(digests))
    Path(beside, SUMS).write_text("".join(lines), encoding="utf-8")
    for name in names:
        (work.dist / name).parent.mkdir(parents=True, exist_ok=True)
    for name in (*names, SUMS):
        Path(beside, name).chmod(0o644)
        Path(beside, name).replace(work.dist / name)
    for name in set(others) - set(kept):
        (work.dist / name).unlink(missing_ok=True)
    return digests | {SUMS: memory.file_digest(work.dist / SUMS)}


def kind(name: str) -> str:
    """Return which target makes an artefact of this name."""
    return "cloud-init" if name.startswith("cloud-init/") else Path(name).suffix.lstrip(".")


def summary(work: Workspace, artefacts: list[Artefact], answers: tuple[Answer, ...], choice: Choice) -> tuple[str, ...]:
    """Return the lines that tell what was made, by whom, and who has judged it."""
    rows = [
        (f"dist/{artefact.name}", artefact.source, f"{_size(work.dist / artefact.name)}", artefact.maker)
        for artefact in artefacts
    ]
    lines = [f"backend: {choice.backend.name} ({choice.reason})", *table(("made", "from", "size", "by"), rows)]
    return (*lines, *judgement(answers))


def judgement(answers: tuple[Answer, ...]) -> tuple[str, ...]:
    """Return the lines that say which parsers have accepted the tree, and which could not be asked."""
    asked = [answer.parser for answer in answers if answer.verdict.is_accepted]
    missing = [f"{answer.parser} ({answer.program})" for answer in answers if answer.verdict is Verdict.missing]
    unable = [f"{answer.parser}: {answer.reason}" for answer in answers if answer.verdict is Verdict.unable]
    lines = [f"accepted by the parsers of: {', '.join(asked) or 'none'}"]
    if missing:
        lines.append(f"not asked, the program is not installed: {', '.join(missing)}")
    return (*lines, *(f"could not judge on this machine: {line}" for line in unable))


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1024:.1f} KiB"
