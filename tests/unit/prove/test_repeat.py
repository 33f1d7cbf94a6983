"""A story that is repeated: found by its name, counted, and its first failure kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.prove import repeat
from consul_docker_host.prove.repeat import Wanted, wanted

HERE = "tests/unit/prove/test_repeat.py"
FLAKY = """
from pathlib import Path
COUNT = Path(__file__).with_name("count")

def test_flaky():
    number = int(COUNT.read_text()) + 1 if COUNT.exists() else 1
    COUNT.write_text(str(number))
    assert number != 2, "the second time"

def test_good():
    pass
"""


def asked(name: str, *, times: str = "3", load: str = "0") -> Wanted:
    return wanted(Workspace(), name, times=times, load=load, is_long=False)


@pytest.mark.parametrize(
    ("name", "story", "suite"),
    [
        (f"{HERE}::test_a_mistake_is_one_line", f"{HERE}::test_a_mistake_is_one_line", "unit"),
        ("test_the_address_is_on_the_interface[debian-13]", None, "install"),
        ("tests/vm/test_boot.py", "tests/vm/test_boot.py", "vm"),
        ("tests/host/test_guard.py", "tests/host/test_guard.py", "unit"),
    ],
)
def test_a_story_is_found_by_its_place_or_its_name(name: str, story: str | None, suite: str) -> None:
    found = asked(name)
    assert (found.story, found.suite) == (story or f"tests/install/test_host.py::{name}", suite)


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("test_the_address_is_on_the_interfac", "no such test; did you mean test_the_address_is_on_the_interface?"),
        ("qqqq", "no such test"),
        ("tests/vm/test_bot.py", "no such file of tests; did you mean tests/vm/test_boot.py?"),
        (f"{HERE}::test_a_mistake_is_one_lin", "no such test; did you mean test_a_mistake_is_one_line?"),
    ],
)
def test_a_mistake_is_one_line(name: str, mistake: str) -> None:
    with pytest.raises(BuildError) as caught:
        asked(name)
    assert caught.value.message == f"{name}: {mistake}"


def test_a_name_that_two_files_have_is_not_guessed() -> None:
    with pytest.raises(
        BuildError, match=r"2 files have a test of this name; give one of tests/unit/prove/test_choices"
    ):
        asked("test_a_mistake_is_one_line")


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(BuildError) as caught:
        asked("qqqq", times="0", load="65")
    assert caught.value.message.splitlines() == [
        "--times 0: must be between 1 and 1000",
        "--load 65: must be between 0 and 64",
        "qqqq: no such test",
    ]


@pytest.fixture
def flaky(tmp_path: Path) -> Workspace:
    """Give a checkout with a test that fails the second time."""
    for name in ("packaging", "files", "tasks.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "tests").mkdir()
    for path in (ROOT / "tests").iterdir():
        if path.name not in {"unit", "__pycache__"}:
            (tmp_path / "tests" / path.name).symlink_to(path)
    (tmp_path / "tests" / "unit").mkdir()
    (tmp_path / "tests" / "unit" / "test_flaky.py").write_text(FLAKY)
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    return Workspace(root=tmp_path)


def test_what_fails_once_fails_the_report_and_its_error_is_kept(
    flaky: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = wanted(flaky, "test_flaky", times="3", load="1", is_long=False)
    with pytest.raises(BuildError, match=r"test_flaky: failed 1 of 3 times") as caught:
        repeat.repeat(flaky, chosen)
    path = Path(caught.value.hint.removeprefix("first failure: "))
    assert path.name == "2.txt"
    assert "the second time" in path.read_text()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("== passed 2 of 3; fastest ")
    assert [line.rpartition(": ")[2] for line in lines[1:4:2]] == ["passed", "passed"]


def test_what_always_passes_is_a_success(flaky: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    repeat.repeat(flaky, wanted(flaky, "test_good", times="1", load="0", is_long=False))
    assert capsys.readouterr().out.splitlines()[-1].startswith("== passed 1 of 1; ")


def test_a_story_that_pytest_does_not_select_is_an_error_and_no_success(flaky: Workspace) -> None:
    with pytest.raises(BuildError, match="pytest selected no test"):
        repeat.repeat(flaky, wanted(flaky, "test_good[nothing]", times="1", load="0", is_long=False))
