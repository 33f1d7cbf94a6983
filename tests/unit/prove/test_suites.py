"""Suites as the tasks run them: every one runs, one that fails makes the whole fail, and the summary repeats it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from consul_docker_host.core import programs
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.prove import suites, system_packages
from consul_docker_host.prove.choices import Choice
from consul_docker_host.prove.results import Outcome
from consul_docker_host.prove.shards import Part, Shard

STORY = "tests/install/test_x.py::test_y[debian-13]"


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    """Give a checkout in which results are recorded, with the real one's list of tests and times."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    made = Workspace(root=tmp_path)
    monkeypatch.setattr(suites, "Workspace", lambda: made)
    monkeypatch.setattr(suites, "prepare", lambda *_: None)
    return made


def phase(name: str, outcome: str, when: str = "call", group: str = "debian-13") -> str:
    """Return a line of a record."""
    return json.dumps(
        {
            "id": name,
            "group": group,
            "when": when,
            "outcome": outcome,
            "seconds": 1.5,
            "reason": "assert 1 == 2" if outcome == "failed" else "",
            "text": "where it failed" if outcome == "failed" else "",
            "fixtures": [["server", 9.0]] if when == "setup" else [],
            "is_alone": True,
        }
    )


class FakePytest:
    """Stands for pytest: records what it is given for each run, and ends as pytest would."""

    def __init__(self, *runs: dict[str, str]) -> None:
        self.calls: list[list[str]] = []
        self._runs = list(runs)

    def __call__(self, argv: Sequence[str], **_: object) -> int:
        """Run the next of the runs; any further one passes."""
        self.calls.append(list(argv))
        outcomes = self._runs.pop(0) if self._runs else {"tests/unit/test_a.py::test_a": "passed"}
        record = next(Path(word.partition("=")[2]) for word in argv if word.startswith("--record="))
        lines = [
            phase(name, outcome if when == "call" else "passed", when)
            for name, outcome in outcomes.items()
            for when in ("setup", "call", "teardown")
        ]
        record.write_text("\n".join(lines))
        return int("failed" in outcomes.values())


def faked(monkeypatch: pytest.MonkeyPatch, *runs: dict[str, str]) -> FakePytest:
    fake = FakePytest(*runs)
    monkeypatch.setattr(suites, "follow", fake)
    return fake


def test_every_suite_s_folder_is_there() -> None:
    for suite in suites.SUITES.values():
        for folder in suite.folders:
            assert (ROOT / "tests" / folder).is_dir(), f"tests/{folder}"


def test_all_suites_run_even_when_one_fails_and_the_failure_comes_last_with_its_command(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = faked(monkeypatch, {STORY: "failed"})
    with pytest.raises(BuildError) as caught:
        suites.run_suites(("install", "unit"))
    assert str(caught.value).splitlines() == [
        "failed: install (1)",
        f"  install: {STORY}",
        "      assert 1 == 2",
        f"      ./inv test.install --args='{STORY}'",
    ]
    assert ["tests/install" in call for call in fake.calls] == [True, False]
    assert "tests/unit" in fake.calls[1]
    assert capsys.readouterr().out.splitlines()[-1].startswith("== install 0 s, unit 0 s")


def test_each_suite_ends_with_its_slowest_stories_and_fixtures(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    faked(monkeypatch, {STORY: "passed"})
    suites.run_suites(("install",))
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index("== install: slowest stories") + 2] == f"4.5 s  {STORY}"
    assert lines[lines.index("== install: slowest fixtures") + 2].split() == ["9.0", "s", "1", "server"]


def test_a_step_that_fails_is_named_and_the_suites_run_nevertheless(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = faked(monkeypatch)
    with pytest.raises(BuildError, match=r"(?s)^failed: lint \(1\)\n.* mypy\n.*error: no\n.*\./inv lint$"):
        suites.run_suites(("lint", "unit"), steps={"lint": lambda: {"ruff check": "", "mypy": "error: no"}})
    assert "pytest" in fake.calls[-1]


def test_a_step_that_was_not_chosen_does_not_run(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    faked(monkeypatch)
    suites.run_suites(("unit",), steps={"lint": lambda: {"mypy": "error"}})


def test_options_reach_pytest_word_by_word(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = faked(monkeypatch)
    suites.run_suites(("unit",), choice=Choice(is_long=True, is_kept=True), args={"unit": "-k 'a b' -x"})
    assert fake.calls[0][-4:-1] == ["-k", "a b", "-x"]
    assert {"--long", "--keep", "tests/unit", "tests/host"} <= set(fake.calls[0])


@pytest.mark.parametrize(
    ("args", "is_whole"),
    [
        ("tests/install/test_host.py", False),
        ("'tests/install/test_host.py::test_x[a b]' -x", False),
        ("--ignore=tests/install/test_host.py", True),
        ("--ignore tests/install/test_host.py", True),
        ("-k host", True),
        ("tests/install/test_nothing.py", True),
    ],
)
def test_tests_that_are_named_run_instead_of_the_whole_suite(args: str, *, is_whole: bool) -> None:
    argv = suites.pytest_command(suites.SUITES["install"], choice=Choice(), args=args, root=ROOT)
    assert ("tests/install" in argv) is is_whole


def test_a_pytest_that_ends_in_another_way_fails_the_suite(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for code, reason in ((2, "pytest exited with 2"), (1, "pytest exited with 1"), (5, "no test was selected")):
        monkeypatch.setattr(suites, "follow", lambda *_, code=code, **__: code)
        result = suites.run_suite(work, suites.SUITES["unit"])
        assert [story.outcome for story in result.stories] == [Outcome.error]
        assert result.failures[0].reason.startswith(reason)


def test_a_suite_that_takes_too_long_fails_and_the_others_run(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(argv: Sequence[str], **_: object) -> int:
        raise BuildError("pytest: timed out after 4500 s: ...")

    monkeypatch.setattr(suites, "follow", follow)
    with pytest.raises(BuildError, match=r"(?s)^failed: unit \(1\), package \(1\)\n.*timed out after 4500 s"):
        suites.run_suites(("unit", "package"))


def test_a_retry_runs_the_failed_groups_alone_and_what_passes_then_is_flaky(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "tests/install/test_x.py::test_z"
    fake = faked(monkeypatch, {STORY: "failed", other: "passed"}, {STORY: "passed"})
    suites.run_suites(("install",), choice=Choice(retries=3))
    assert len(fake.calls) == 2, "what has passed is not run again"
    (part,) = [word for word in fake.calls[1] if word.startswith("--part=")]
    assert json.loads(Path(part.partition("=")[2]).read_text())["own"] == ["debian-13"]
    assert f"flaky: {STORY} failed, and passed when it was retried" in capsys.readouterr().out


def test_nothing_is_retried_unless_asked_and_retries_end(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for retries, runs in ((0, 1), (2, 3)):
        fake = faked(monkeypatch, *[{STORY: "failed"}] * 5)
        with pytest.raises(BuildError, match=r"^failed: install \(1\)"):
            suites.run_suites(("install",), choice=Choice(retries=retries))
        assert len(fake.calls) == runs


def test_a_shard_gets_its_parts_and_is_not_recorded_as_a_complete_run(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = faked(monkeypatch)
    own = Part(number=2, own=frozenset({"debian-13"}), others=frozenset(), holders=(2,))
    monkeypatch.setattr(suites, "shard_parts", lambda *_: {"install": own})
    suites.run_suites(("unit", "install"), choice=Choice(shard=Shard(number=2, count=3)))
    (call,) = fake.calls
    assert "tests/install" in call
    assert any(word.startswith("--part=") for word in call)
    assert not (work.build / "results" / "install.json").exists()


def test_a_complete_run_is_recorded_and_a_part_of_one_is_not(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    faked(monkeypatch)
    suites.run_suites(("unit",), args={"unit": "-k x"})
    assert not (work.build / "results" / "unit.json").exists()
    suites.run_suites(("unit",))
    assert json.loads((work.build / "results" / "unit.json").read_text())["groups"] == {"debian-13": 4.5}


def test_reports_are_written_for_steps_and_suites(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    faked(monkeypatch)
    suites.run_suites(
        ("lint", "unit"), steps={"lint": lambda: {"mypy": ""}}, choice=Choice(junit=tmp_path / "new" / "junit")
    )
    assert sorted(path.name for path in (tmp_path / "new" / "junit").iterdir()) == ["TEST-lint.xml", "TEST-unit.xml"]


def test_a_suite_gets_its_own_system_packages_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        system_packages, "ensure_packages", lambda packages: asked.append(tuple(one.name for one in packages))
    )
    installed: list[str] = []
    monkeypatch.setattr(programs, "find_fpm", lambda: None)
    monkeypatch.setattr(programs, "install_fpm", lambda: installed.append("fpm"))
    suites.prepare(Workspace(), ("install",))
    assert installed == ["fpm"]
    assert {"docker.io", "ruby", "rpm"} <= set(asked[0])
    assert "lintian" not in asked[0]
    suites.prepare(Workspace(), ())
    assert (asked[1], installed) == ((), ["fpm"])


def test_a_story_and_a_distribution_are_options_of_pytest() -> None:
    given = suites.story_options(Workspace(root=ROOT), distro="debian-13", story="upgrade")
    assert given == "--distro=debian-13 --story=upgrade"
    assert suites.story_options(Workspace(root=ROOT), distro="", story="") == ""


@pytest.mark.parametrize(
    ("distro", "story", "fault", "known"),
    [
        ("debian-99", "", "--distro debian-99: no such distribution", "debian-13"),
        ("", "upgarde", "--story upgarde: matches no story", "upgrade"),
    ],
)
def test_what_nobody_knows_is_told_with_what_is_known(distro: str, story: str, fault: str, known: str) -> None:
    with pytest.raises(BuildError, match=f"^{fault}") as caught:
        suites.story_options(Workspace(root=ROOT), distro=distro, story=story)
    assert known in str(caught.value)


def test_a_wrong_distribution_and_a_wrong_story_are_reported_together() -> None:
    with pytest.raises(BuildError, match=r"(?s)^--distro debian-99: .*\n--story upgarde: "):
        suites.story_options(Workspace(root=ROOT), distro="debian-99", story="upgarde")


@pytest.mark.parametrize(("name", "expected"), [("unit", ("3", "worksteal")), ("install", ("2", "loadgroup"))])
def test_independent_tests_fill_the_time_in_which_others_wait_and_those_of_a_story_stay_together(
    monkeypatch: pytest.MonkeyPatch, name: str, expected: tuple[str, str]
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    call = suites.pytest_command(suites.SUITES[name], choice=Choice(), args="", root=ROOT)
    assert (call[call.index("-n") + 1], call[call.index("--dist") + 1]) == expected
