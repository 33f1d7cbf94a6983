"""The verdict on a plan: its tree checked in this process, then by the parsers that are on this machine."""

from __future__ import annotations

from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.package.plan import Plan
from consul_docker_host.verify.parsers import PARSERS, Answer, Verdict
from consul_docker_host.verify.rules import check_tree


def judge_tree(plan: Plan, *beside: Plan) -> tuple[Answer, ...]:
    """Check the tree in process and by the parsers that are here; a refusal raises BuildError with every finding.

    Of the plans ``beside`` it, which hold nothing that a parser judges, the trees are checked in process alone.
    """
    answers, faults = examine(plan, *beside)
    if faults:
        raise BuildError("\n".join(faults), hint=f"no package was written; the rendered files are in {plan.tree}")
    return answers


def examine(plan: Plan, *beside: Plan) -> tuple[tuple[Answer, ...], list[str]]:
    """Return the parsers' answers and every fault: a parser is asked about a tree with faults as well."""
    faults = [str(finding) for one in (plan, *beside) for finding in check_tree(one)]
    answers: list[Answer] = []
    # A parser that needs a script of the tree cannot judge where that script fails.
    mistakes = Mistakes()
    for parser in PARSERS:
        with mistakes.collected():
            answers.append(parser.judge(plan))
    faults += [f"{answer.program}: {finding}" for answer in answers for finding in answer.findings]
    return tuple(answers), [*faults, *map(str, mistakes.found)]


def judgement(answers: tuple[Answer, ...]) -> tuple[str, ...]:
    """Return the lines that say which parsers have accepted the tree, and which could not be asked."""
    asked = [answer.parser for answer in answers if answer.verdict.is_accepted]
    missing = [f"{answer.parser} ({answer.program})" for answer in answers if answer.verdict is Verdict.missing]
    unable = [f"{answer.parser}: {answer.reason}" for answer in answers if answer.verdict is Verdict.unable]
    lines = [f"validated: {', '.join(asked) or 'none'}"]
    if missing:
        lines.append(f"skipped (not installed): {', '.join(missing)}")
    return (*lines, *(f"not validated on this machine: {line}" for line in unable))
