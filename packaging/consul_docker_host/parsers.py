"""The real parsers of what the tree holds: systemd, dnsmasq, consul, nft. Each is asked where the machine has it.

A parser judges only where it can: a fault of the build machine (no default route, no right to a namespace) never
refuses a package. What was judged once is remembered by content.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from consul_docker_host.checks import Finding
from consul_docker_host.plan import Plan
from consul_docker_host.run import Result, find_program, run
from consul_docker_host.workspace import cache_folder, content_key

SYSTEM_UNITS = "usr/lib/systemd/system/"
CONSUL_FOLDER = "etc/consul.d/"
DNSMASQ_FOLDER = "etc/dnsmasq.d/"
OWN_PROGRAM = re.compile(r"/usr/(lib/consul-docker-host/|bin/consul-docker-host\b)")
PARSER_TIMEOUT = 60.0
# Units of other packages that ours speak of; the parser must find them to judge ours and our drop-ins.
NEIGHBOURS = {
    "consul.service": "[Service]\nType=notify\nExecStart=/bin/true\n",
    "dnsmasq.service": "[Service]\nExecStart=/bin/true\n",
    "docker.service": "[Service]\nExecStart=/bin/true\n",
}


class Verdict(StrEnum):
    """How a parser took its files."""

    accepted = "accepted"
    remembered = "accepted before"
    refused = "refused"
    missing = "not installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one parser said; ``findings`` is empty unless it refused."""

    parser: str
    program: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """One program that can judge a part of the tree.

    ``paths`` says which files it judges, ``ask`` runs it in a scratch folder and yields what it refuses.
    """

    name: str
    program: str
    prefixes: tuple[str, ...]
    ask: Callable[[Plan, Path, Path], Iterator[Finding]]

    def judge(self, plan: Plan) -> Answer:
        """Ask the program about the tree, unless it accepted this very content before."""
        program = find_program(self.program, first=[cache_folder("bin")])
        if not program:
            return Answer(parser=self.name, program=self.program, verdict=Verdict.missing)
        note = cache_folder("verified") / self._key(plan, program)
        if note.exists():
            return Answer(parser=self.name, program=self.program, verdict=Verdict.remembered)
        with tempfile.TemporaryDirectory(prefix="verify-") as folder:
            findings = tuple(self.ask(plan, program, Path(folder)))
        if not findings:
            note.touch()
        verdict = Verdict.refused if findings else Verdict.accepted
        return Answer(parser=self.name, program=self.program, verdict=verdict, findings=findings)

    def _key(self, plan: Plan, program: Path) -> str:
        status = program.stat()
        judged = (f"{e.path} {e.mode} {e.sha256}" for e in plan.entries if e.path.startswith(self.prefixes))
        return content_key([self.name, str(program), str(status.st_size), str(status.st_mtime_ns), *judged])


def ask_systemd(plan: Plan, program: Path, scratch: Path) -> Iterator[Finding]:
    """Yield what systemd-analyze refuses in the units and drop-ins, with the neighbours' units beside them."""
    units = scratch / "units"
    shutil.copytree(plan.tree / SYSTEM_UNITS, units)
    for name, text in NEIGHBOURS.items():
        (units / name).write_text(text)
    for path in units.rglob("*"):
        if path.is_file():
            # The programs of the package are not on this machine: they are looked for in the tree.
            text = path.read_text(encoding="utf-8")
            path.write_text(OWN_PROGRAM.sub(rf"{plan.tree}\g<0>", text), encoding="utf-8")
    names = sorted(path.name for path in units.iterdir() if path.is_file())
    argv = [str(program), "verify", "--man=no", "--recursive-errors=no", *(str(units / name) for name in names)]
    result = run(argv, env={"SYSTEMD_UNIT_PATH": f"{units}:"}, timeout=PARSER_TIMEOUT, check=False)
    for line in result.output.splitlines():
        # The machine's own units are not ours to judge.
        if str(units) in line or any(name in line for name in names):
            yield Finding(path=SYSTEM_UNITS.rstrip("/"), line=0, reason=line.replace(str(units) + "/", ""))


def ask_dnsmasq(plan: Plan, program: Path, scratch: Path) -> Iterator[Finding]:
    """Yield what dnsmasq's own test refuses."""
    del scratch
    for entry in plan.entries:
        if entry.path.startswith(DNSMASQ_FOLDER):
            argv = [str(program), "--test", f"--conf-file={plan.tree / entry.path}"]
            yield from _refusal(entry.path, run(argv, timeout=PARSER_TIMEOUT, check=False))


def ask_consul(plan: Plan, program: Path, scratch: Path) -> Iterator[Finding]:
    """Yield what ``consul validate`` refuses; bind_addr's template needs a default route and is substituted."""
    folder = scratch / "consul.d"
    shutil.copytree(plan.tree / CONSUL_FOLDER, folder)
    (folder / "consul.json").write_text(json.dumps({"data_dir": str(scratch / "data")}))
    for path in folder.glob("*.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        if str(config.get("bind_addr", "")).startswith("{{"):
            path.write_text(json.dumps(config | {"bind_addr": "192.0.2.1"}))
    yield from _refusal(CONSUL_FOLDER.rstrip("/"), run([str(program), "validate", str(folder)], check=False))


def ask_nft(plan: Plan, program: Path, scratch: Path) -> Iterator[Finding]:
    """Yield what nft refuses in the guard's rule set, as the guard script prints it for the built-in settings."""
    script = plan.tree / "usr/lib/consul-docker-host/guard"
    rules = run(["sh", str(script), "rules"], env={"CONSUL_DOCKER_HOST_ROOT": str(plan.tree)}, timeout=PARSER_TIMEOUT)
    text = scratch / "guard.nft"
    text.write_text(rules.stdout)
    check = [str(program), "--check", "--file", str(text)]
    # nft asks the kernel, which answers root alone: of the machine, else of a namespace where this user is root.
    result = run(check, timeout=PARSER_TIMEOUT, check=False)
    if result.returncode and _not_permitted(result):
        result = run(["unshare", "--map-root-user", "--net", *check], timeout=PARSER_TIMEOUT, check=False)
    if result.returncode and not _not_permitted(result):
        yield from _refusal("usr/lib/consul-docker-host/guard", result)


def _not_permitted(result: Result) -> bool:
    return "not permitted" in result.output or "unshare" in result.output.partition(":")[0]


def _refusal(path: str, result: Result) -> Iterator[Finding]:
    if result.returncode:
        lines = [line for line in result.output.splitlines() if line.strip()]
        yield Finding(path=path, line=0, reason=" / ".join(lines[-4:]) or f"exit code {result.returncode}")


PARSERS = (
    Parser(
        name="units",
        program="systemd-analyze",
        prefixes=(SYSTEM_UNITS, "usr/lib/consul-docker-host/", "usr/bin/"),
        ask=ask_systemd,
    ),
    Parser(name="dnsmasq configuration", program="dnsmasq", prefixes=(DNSMASQ_FOLDER,), ask=ask_dnsmasq),
    Parser(name="consul configuration", program="consul", prefixes=(CONSUL_FOLDER,), ask=ask_consul),
    Parser(name="guard rules", program="nft", prefixes=("usr/lib/consul-docker-host/",), ask=ask_nft),
)
