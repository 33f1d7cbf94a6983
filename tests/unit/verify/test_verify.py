"""The verdict on a plan: every fault and every refusal in one error, and what could not be judged is reported."""

from __future__ import annotations

import pytest

from consul_docker_host import verify
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.plan import Plan
from consul_docker_host.verify.parsers import Answer, Verdict
from consul_docker_host.verify.rules import Finding
from tests.unit.kit import plan_of


class Judge:
    """A parser that gives one answer, whatever it is asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def validate(self, _: Plan) -> Answer:
        """Return the answer."""
        return self.answer


class Failing:
    """A parser that runs a script of the tree, which fails."""

    def validate(self, _: Plan) -> Answer:
        """Raise the error of the script."""
        raise BuildError("render failed")


def answer(verdict: Verdict, *, name: str, findings: tuple[Finding, ...] = (), reason: str = "") -> Answer:
    return Answer(parser=f"{name} rules", program=name, verdict=verdict, findings=findings, reason=reason)


def test_all_findings_of_all_parsers_are_in_one_error(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = [
        answer(Verdict.refused, name=name, findings=(Finding(path=f"etc/{name}", line=7, reason="no"),))
        for name in ("nft", "consul")
    ]
    monkeypatch.setattr(verify, "PARSERS", [Judge(one) for one in refused])
    with pytest.raises(BuildError) as caught:
        verify.validate_tree(plan)
    assert caught.value.message == "nft: /etc/nft:7: no\nconsul: /etc/consul:7: no"
    assert "no package was written" in caught.value.hint


def test_the_faults_of_a_tree_and_the_parsers_findings_are_in_one_error(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = answer(Verdict.refused, name="nft", findings=(Finding(path="etc/nft", line=7, reason="no"),))
    monkeypatch.setattr(verify, "PARSERS", [Failing(), Judge(refused)])
    (work.files / "etc/consul.d/agent.json.j2").write_text("{")
    (work.files / "etc/consul.d/interfaces.json.j2").write_text("}")
    with pytest.raises(BuildError) as caught:
        verify.validate_tree(plan_of(work))
    assert "/etc/consul.d/agent.json:" in caught.value.message
    assert "/etc/consul.d/interfaces.json:" in caught.value.message
    assert caught.value.message.endswith("\nnft: /etc/nft:7: no\nrender failed")


def test_the_report_names_who_accepted_who_is_missing_and_who_could_not_judge() -> None:
    lines = verify.verdict_lines(
        (
            answer(Verdict.accepted, name="dnsmasq"),
            answer(Verdict.missing, name="consul"),
            answer(Verdict.unable, name="nft", reason="no rights"),
        )
    )
    assert lines[0].endswith(": dnsmasq rules")
    assert "consul rules (consul)" in lines[1]
    assert lines[2].endswith("nft rules: no rights")


def test_where_nobody_judged_the_report_says_none() -> None:
    assert verify.verdict_lines(())[0].endswith(": none")
