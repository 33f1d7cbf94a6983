"""Validate the tree with the real parsers: systemd, dnsmasq, consul, nft. Each runs if it is installed.

A fault of the build machine (no default route, no right to a namespace) never refuses a package: the parser then gives
no verdict. An accepted content is remembered, and not parsed again.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from consul_docker_host.core.run import Result, find_program, run
from consul_docker_host.core.workspace import cache_folder, cache_path, content_key
from consul_docker_host.package.plan import Plan
from consul_docker_host.verify.rules import Finding

SYSTEM_UNITS = "usr/lib/systemd/system/"
CONSUL_FOLDER = "etc/consul.d/"
DNSMASQ_FOLDER = "etc/dnsmasq.d/"
OWN = r"/usr/(?:lib/consul-docker-host/|bin/consul-docker-host\b)"
OWN_PROGRAM = re.compile(OWN)
FOREIGN_PROGRAM = re.compile(rf"^(Exec\w+=[-@:+!|]*)(?!{OWN})/\S+", re.MULTILINE)
UNIT_NAME = re.compile(r"\w\.(service|target|path|timer|socket|mount|slice|scope|device)\b")
PARSER_TIMEOUT = 60.0
# Units of other packages that ours refer to; the parser needs them to validate our units and drop-ins.
NEIGHBOURS = {
    "consul.service": "[Service]\nType=notify\nExecStart=/bin/true\n",
    "dnsmasq.service": "[Service]\nExecStart=/bin/true\n",
    "docker.service": "[Service]\nExecStart=/bin/true\n",
}


class Verdict(StrEnum):
    """The result of one parser."""

    accepted = "accepted"
    remembered = "accepted before"
    refused = "refused"
    missing = "not installed"
    unable = "cannot run on this machine"

    @property
    def is_accepted(self) -> bool:
        """Whether the parser accepted this content, now or before."""
        return self in {Verdict.accepted, Verdict.remembered}


class CannotValidate(Exception):  # noqa: N818 - not an error: the machine does not let the parser work
    """Signals that a parser reached no verdict; the text is the parser's own reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of one parser; ``findings`` is empty unless it refused, ``reason`` unless it gave no verdict."""

    parser: str
    program: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """One program that can validate a part of the tree.

    ``prefixes`` are the paths of its files; ``ask`` runs it in a scratch directory and yields its findings.
    """

    name: str
    program: str
    prefixes: tuple[str, ...]
    ask: Callable[[Plan, Path, Path], Iterator[Finding]]

    def validate(self, plan: Plan) -> Answer:
        """Run the program on the tree, unless it accepted the same content before."""
        program = find_program(self.program, first=[cache_path("bin")])
        if not program:
            return self._answer(Verdict.missing)
        key = self._key(plan, program)
        if cache_path("verified", key).exists():
            return self._answer(Verdict.remembered)
        try:
            with tempfile.TemporaryDirectory(prefix="verify-") as folder:
                findings = tuple(self.ask(plan, program, Path(folder)))
        except CannotValidate as error:
            return self._answer(Verdict.unable, reason=str(error))
        if findings:
            return self._answer(Verdict.refused, findings=findings)
        # Without a writable cache the program runs again the next time.
        with contextlib.suppress(OSError):
            (cache_folder("verified") / key).touch()
        return self._answer(Verdict.accepted)

    def _answer(self, verdict: Verdict, *, findings: tuple[Finding, ...] = (), reason: str = "") -> Answer:
        return Answer(parser=self.name, program=self.program, verdict=verdict, findings=findings, reason=reason)

    def _key(self, plan: Plan, program: Path) -> str:
        status = program.stat()
        content = (f"{e.path} {e.mode} {e.sha256}" for e in plan.entries if e.path.startswith(self.prefixes))
        return content_key([self.name, str(program), str(status.st_size), str(status.st_mtime_ns), *content])


def ask_systemd(plan: Plan, program: Path, scratch: Path) -> Iterator[Finding]:
    """Yield systemd-analyze's findings in our units and drop-ins, with the units of other packages beside them."""
    units = scratch / "units"
    shutil.copytree(plan.tree / SYSTEM_UNITS, units)
    for name, text in NEIGHBOURS.items():
        (units / name).write_text(text)
    for path in units.rglob("*"):
        if path.is_file():
            # The programs of the units are not installed here: our own are found in the tree, others become /bin/true.
            text = FOREIGN_PROGRAM.sub(r"\1/bin/true", path.read_text(encoding="utf-8", errors="replace"))
            path.write_text(OWN_PROGRAM.sub(rf"{plan.tree}\g<0>", text), encoding="utf-8")
    names = sorted(path.name for path in units.iterdir() if path.is_file())
    argv = [str(program), "verify", "--man=no", "--recursive-errors=no", *(str(units / name) for name in names)]
    result = run(argv, env={"SYSTEMD_UNIT_PATH": f"{units}:"}, timeout=PARSER_TIMEOUT, check=False)
    # Findings in this machine's own units do not concern the package.
    ours = [line for line in result.output.splitlines() if str(units) in line or any(name in line for name in names)]
    if result.returncode and not UNIT_NAME.search(result.output):
        raise CannotValidate(_last_line(result))
    for line in ours:
        yield Finding(path=SYSTEM_UNITS.rstrip("/"), line=0, reason=line.replace(str(units) + "/", ""))


def ask_dnsmasq(plan: Plan, program: Path, scratch: Path) -> Iterator[Finding]:
    """Yield the findings of ``dnsmasq --test``."""
    del scratch
    for entry in plan.entries:
        if entry.path.startswith(DNSMASQ_FOLDER):
            argv = [str(program), "--test", f"--conf-file={plan.tree / entry.path}"]
            yield from _refusal(entry.path, run(argv, timeout=PARSER_TIMEOUT, check=False))


def ask_consul(plan: Plan, program: Path, scratch: Path) -> Iterator[Finding]:
    """Yield the findings of ``consul validate`` in the package's files and in those that a host renders.

    Parts that only a host has are replaced or left out: the default route that bind_addr's template needs, and TLS.
    """
    root = scratch / "root"
    shutil.copytree(plan.tree, root)
    folders = [root / CONSUL_FOLDER]
    if find_program("python3"):
        folders.append(root / "run/consul-docker-host/consul.d")
        script = ["sh", str(root / "usr/lib/consul-docker-host/render"), "consul", "--render"]
        run(script, env={"CONSUL_DOCKER_HOST_ROOT": str(root)}, timeout=PARSER_TIMEOUT)
        (folders[-1] / "tls.json").unlink(missing_ok=True)
    (folders[0] / "consul.json").write_text(json.dumps({"data_dir": str(scratch / "data")}))
    for path in folders[0].glob("*.json"):
        config = _json_object(path)
        if str(config.get("bind_addr", "")).startswith("{{"):
            path.write_text(json.dumps(config | {"bind_addr": "192.0.2.1"}))
    result = run([str(program), "validate", *map(str, folders)], timeout=PARSER_TIMEOUT, check=False)
    yield from _refusal(CONSUL_FOLDER.rstrip("/"), result)


def _json_object(path: Path) -> dict[str, Any]:
    """Return the object in a file, empty if the file contains no object: Consul itself refuses such a file."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def ask_nft(plan: Plan, program: Path, scratch: Path) -> Iterator[Finding]:
    """Yield nft's findings in the guard's rule set, as the guard script prints it for the built-in settings."""
    script = plan.tree / "usr/lib/consul-docker-host/guard"
    rules = run(["sh", str(script), "rules"], env={"CONSUL_DOCKER_HOST_ROOT": str(plan.tree)}, timeout=PARSER_TIMEOUT)
    text = scratch / "guard.nft"
    text.write_text(rules.stdout)
    check = [str(program), "--check", "--file", str(text)]
    # nft asks the kernel, which answers only root: of the machine, or of a namespace in which this user is root.
    result = run(check, timeout=PARSER_TIMEOUT, check=False)
    if result.returncode and _not_permitted(result):
        result = run(["unshare", "--map-root-user", "--net", *check], timeout=PARSER_TIMEOUT, check=False)
    if result.returncode and _not_permitted(result):
        raise CannotValidate(_last_line(result))
    yield from _refusal("usr/lib/consul-docker-host/guard", result)


def _last_line(result: Result) -> str:
    lines = [line for line in result.output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit code {result.returncode}"


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
    Parser(
        name="consul configuration",
        program="consul",
        prefixes=(CONSUL_FOLDER, "etc/default/", "usr/lib/consul-docker-host/"),
        ask=ask_consul,
    ),
    Parser(name="guard rules", program="nft", prefixes=("usr/lib/consul-docker-host/",), ask=ask_nft),
)
