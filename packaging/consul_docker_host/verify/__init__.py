"""Validate a plan: its tree is checked in this process, then by the parsers that are installed on this machine."""

from __future__ import annotations

from consul_docker_host.core.errors import BuildError
from consul_docker_host.package.plan import Plan
from consul_docker_host.verify.parsers import PARSERS, Answer, Verdict
from consul_docker_host.verify.rules import check_tree


def validate_tree(plan: Plan) -> tuple[Answer, ...]:
    """Check the tree in process and with the installed parsers; raise BuildError with every finding if one refuses."""
    refuse_faults(plan)
    answers = tuple(parser.validate(plan) for parser in PARSERS)
    refused = [f"{answer.program}: {finding}" for answer in answers for finding in answer.findings]
    if refused:
        raise BuildError("\n".join(refused), hint=f"no package was written; the rendered files are in {plan.tree}")
    return answers


def refuse_faults(plan: Plan) -> None:
    """Check the tree in process; raise BuildError with every finding."""
    findings = [str(finding) for finding in check_tree(plan)]
    if findings:
        raise BuildError("\n".join(findings), hint=f"no package was written; the rendered files are in {plan.tree}")


def verdict_lines(answers: tuple[Answer, ...]) -> tuple[str, ...]:
    """Return the lines that report which parsers accepted the tree, and which could not run."""
    accepted = [answer.parser for answer in answers if answer.verdict.is_accepted]
    missing = [f"{answer.parser} ({answer.program})" for answer in answers if answer.verdict is Verdict.missing]
    unable = [f"{answer.parser}: {answer.reason}" for answer in answers if answer.verdict is Verdict.unable]
    lines = [f"validated: {', '.join(accepted) or 'none'}"]
    if missing:
        lines.append(f"skipped (not installed): {', '.join(missing)}")
    return (*lines, *(f"not validated on this machine: {line}" for line in unable))
