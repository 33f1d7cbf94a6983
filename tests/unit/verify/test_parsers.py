"""The real parsers: they refuse what their programs refuse, ask once for each content, and bear with this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.plan import Plan
from consul_docker_host.verify import validate_tree, verdict_lines
from consul_docker_host.verify.parsers import PARSERS, Answer, Verdict
from tests.unit.kit import fake_program, path_with, plan_of

PROGRAMS = {parser.program: parser for parser in PARSERS}


def answers(plan: Plan) -> dict[str, Answer]:
    return {answer.program: answer for answer in validate_tree(plan)}


def only_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let programs be found in one folder alone."""
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("consul_docker_host.core.run.SYSTEM_PATH", str(folder))


def logging(folder: Path, name: str, code: int = 0, said: str = "") -> Path:
    """Stand in for a program that logs its arguments; return the log."""
    log = folder / f"{name}.log"
    fake_program(folder / "bin", name, f"echo \"$*\" >>'{log}'\nprintf '%s\\n' '{said}' >&2\nexit {code}")
    return log


def calls(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


WATCH = "usr/lib/systemd/system/consul-docker-host-watch.service"
BROKEN = [
    ("systemd-analyze", WATCH, "Restart=always", "Restart=allways"),
    (
        "systemd-analyze",
        "usr/lib/systemd/system/consul-docker-host-watch.service",
        "[Service]\n",
        "[Service]\nTypo=1\n",
    ),
    ("dnsmasq", "etc/dnsmasq.d/consul.conf.j2", "dns-loop-detect\n", "dns-loop-detects\n"),
    ("nft", "usr/lib/consul-docker-host/guard", "type filter hook prerouting", "type filter hook preruting"),
]


@pytest.mark.parametrize(("program", "path", "old", "new"), BROKEN, ids=[f"{case[0]}-{case[3]}" for case in BROKEN])
def test_what_the_real_program_refuses_is_not_packed(
    work: Workspace, program: str, path: str, old: str, new: str
) -> None:
    file = work.files / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(BuildError, match="no package was written") as caught:
        validate_tree(plan_of(work))
    assert str(caught.value).startswith(f"{program}: /")


def test_the_real_programs_accept_the_tree_and_remember_it(work: Workspace) -> None:
    plan = plan_of(work)
    first = answers(plan)
    for program in ("systemd-analyze", "dnsmasq", "nft"):
        assert first[program].verdict is Verdict.accepted, f"{program} is needed here: ./inv setup.system"
        assert answers(plan)[program].verdict is Verdict.remembered


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_refusal_names_the_program_and_what_it_said(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    plan = plan_of(work)
    said = "consul-docker-host.target:1: bad thing" if program == "systemd-analyze" else "bad thing"
    logging(tmp_path, program, code=1, said=said)
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    with pytest.raises(BuildError) as caught:
        validate_tree(plan)
    assert str(caught.value).startswith(f"{program}: /")
    assert "bad thing" in str(caught.value)


def test_a_refusal_is_not_remembered(work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(work)
    log = logging(tmp_path, "dnsmasq", code=1, said="bad thing")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    for times in (1, 2):
        assert PROGRAMS["dnsmasq"].validate(plan).verdict is Verdict.refused
        assert calls(log) == times


@pytest.mark.parametrize(
    ("program", "path"),
    [
        ("systemd-analyze", "usr/lib/systemd/system/consul-docker-host-watch.service"),
        ("dnsmasq", "etc/dnsmasq.d/consul.conf.j2"),
        ("consul", "etc/consul.d/interfaces.json.j2"),
        ("nft", "usr/lib/consul-docker-host/guard"),
    ],
)
def test_a_program_is_asked_once_for_one_content_and_again_for_another(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, path: str
) -> None:
    log = logging(tmp_path, program)
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    parser = PROGRAMS[program]
    assert parser.validate(plan_of(work)).verdict is Verdict.accepted
    asked = calls(log)
    assert asked > 0
    assert parser.validate(plan_of(work)).verdict is Verdict.remembered
    assert calls(log) == asked
    with (work.files / path).open("a") as file:
        file.write("\n")
    assert parser.validate(plan_of(work)).verdict is Verdict.accepted
    assert calls(log) == 2 * asked


def test_another_program_of_the_same_name_is_asked_anew(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(work)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    first, second = (logging(tmp_path / folder, "dnsmasq") for folder in ("one", "two"))
    for folder in ("one", "two"):
        monkeypatch.setenv("PATH", path_with(tmp_path / folder / "bin"))
        assert PROGRAMS["dnsmasq"].validate(plan).verdict is Verdict.accepted
    assert (calls(first), calls(second)) == (1, 1)


def test_a_missing_program_is_named_and_refuses_nothing(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(work)
    only_folder(tmp_path / "none", monkeypatch)
    given = answers(plan)
    assert {program: answer.verdict for program, answer in given.items()} == dict.fromkeys(PROGRAMS, Verdict.missing)


@pytest.mark.parametrize(
    "said",
    [
        "netlink: Error: cache initialization failed: Operation not permitted",
        "x: Operation not permitted (you must be root)",
    ],
)
def test_a_machine_that_lets_nobody_ask_nft_refuses_nothing(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    plan = plan_of(work)
    logging(tmp_path, "nft", code=1, said=said)
    logging(tmp_path, "unshare", code=1, said="unshare: unshare failed: Operation not permitted")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    for _ in range(2):  # and the next time as well: nothing was judged that could be remembered
        answer = PROGRAMS["nft"].validate(plan)
        assert answer.verdict is Verdict.unable
        assert "not permitted" in answer.reason
    assert "not validated on this machine: guard rules: " in "\n".join(verdict_lines((answer,)))


def test_a_systemd_that_does_not_know_our_options_judges_nothing(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging(tmp_path, "systemd-analyze", code=1, said="systemd-analyze: unrecognized option '--recursive-errors=no'")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    assert PROGRAMS["systemd-analyze"].validate(plan_of(work)).verdict is Verdict.unable


def test_complaints_of_the_machine_s_own_units_are_not_ours(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(work)
    logging(tmp_path, "systemd-analyze", code=1, said="/usr/lib/systemd/system/other.service:3: Unknown key")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    assert PROGRAMS["systemd-analyze"].validate(plan).verdict is Verdict.accepted


def test_a_program_of_another_package_is_not_missed(work: Workspace) -> None:
    """The building machine needs no dnsmasq; our own programs must be in the tree."""
    drop_in = work.files / "usr/lib/systemd/system/dnsmasq.service.d/50-consul-docker-host.conf"
    drop_in.write_text(drop_in.read_text().replace("=/usr/sbin/dnsmasq ", "=/usr/sbin/no-dnsmasq-here "))
    assert PROGRAMS["systemd-analyze"].validate(plan_of(work)).verdict is Verdict.accepted
    watch = work.files / WATCH
    watch.write_text(watch.read_text().replace("/consul-docker-host/watch", "/consul-docker-host/no-watch-here"))
    answer = PROGRAMS["systemd-analyze"].validate(plan_of(work))
    assert "no-watch-here is not executable" in answer.findings[0].reason


def test_consul_is_not_asked_for_the_building_machine_s_address(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The template of bind_addr needs a default route, which a build machine may lack."""
    copied = tmp_path / "seen"
    fake_program(tmp_path / "bin", "consul", f"cp -r \"$2\" '{copied}'")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    assert PROGRAMS["consul"].validate(plan_of(work)).verdict is Verdict.accepted
    assert json.loads((copied / "interfaces.json").read_text())["bind_addr"] == "192.0.2.1"
    assert (copied / "agent.json").is_file()


def test_the_tree_is_not_touched_by_asking(work: Workspace) -> None:
    plan = plan_of(work)
    before = {entry.path: (plan.tree / entry.path).read_bytes() for entry in plan.entries}
    validate_tree(plan)
    assert before == {entry.path: (plan.tree / entry.path).read_bytes() for entry in plan.entries}
