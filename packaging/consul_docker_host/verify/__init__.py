"""Validate a plan: its tree is checked in this process, then by the parsers that are installed on this machine."""

from __future__ import annotations

from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.package.plan import Plan
from consul_docker_host.verify.parsers import PARSERS, Answer, Verdict
from consul_docker_host.verify.rules import check_tree


def validate_tree(plan: Plan, *beside: Plan) -> tuple[Answer, ...]:
    """Check the tree in process and with the installed parsers; raise BuildError with every finding if one refuses.

    The trees of the plans ``beside`` it contain no file that a parser reads, so they are checked only in process.
    """
    answers, faults = examine(plan, *beside)
    if faults:
        raise BuildError("\n".join(faults), hint=f"no package was written; the rendered files are in {plan.tree}")
    return answers


def examine(plan: Plan, *beside: Plan) -> tuple[tuple[Answer, ...], list[str]]:
    """Return the parsers' answers and every fault; the parsers run even if the check in process has findings."""
    faults = [str(finding) for checked in (plan, *beside) for finding in check_tree(checked)]
    answers: list[Answer] = []
    # A parser that runs a script of the tree raises BuildError if that script fails.
    mistakes = Mistakes()
    for parser in PARSERS:
        with mistakes.collected():
            answers.append(parser.validate(plan))
    faults += [f"{answer.program}: {finding}" for answer in answers for finding in answer.findings]
    return tuple(answers), [*faults, *map(str, mistakes.errors)]


def verdict_lines(answers: tuple[Answer, ...]) -> tuple[str, ...]:
    """Return the lines that report which parsers accepted the tree, and which could not run."""
    accepted = [answer.parser for answer in answers if answer.verdict.is_accepted]
    missing = [f"{answer.parser} ({answer.program})" for answer in answers if answer.verdict is Verdict.missing]
    unable = [f"{answer.parser}: {answer.reason}" for answer in answers if answer.verdict is Verdict.unable]
    lines = [f"validated: {', '.join(accepted) or 'none'}"]
    if missing:
        lines.append(f"skipped (not installed): {', '.join(missing)}")
    return (*lines, *(f"not validated on this machine: {line}" for line in unable))
