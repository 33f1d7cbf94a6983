"""Reports in JUnit's form: one <testsuite> whose counts agree, in XML that every reader accepts."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from consul_docker_host.prove.junit import LONGEST, write_junit
from consul_docker_host.prove.results import Outcome, Story, SuiteResult

FILE = "tests/unit/core/test_run.py"
BAD = '\x00\x1b[31mred\x1b[0m \x0b \ud800 \ufffe \x7f ]]> <b> & "quoted" \N{GRINNING FACE} ü\tend'
STORIES = (
    Story(suite="unit", name=f"{FILE}::test_good", seconds=0.25),
    Story(suite="unit", name=f"{FILE}::test_bad[{BAD}]", outcome=Outcome.failed, reason=BAD, text=f"{BAD}\n{BAD}"),
    Story(suite="unit", name=f"{FILE}::test_error", outcome=Outcome.error, reason="no machine", text="x" * 200_000),
    Story(suite="unit", name=f"{FILE}::test_skipped", outcome=Outcome.skipped, reason="not here"),
    Story(suite="unit", name=f"{FILE}::test_flaky", earlier=f"first {BAD}"),
    Story(suite="unit", name="pytest", outcome=Outcome.error, reason="pytest exited with 3"),
)


def suite_of(folder: Path, *stories: Story) -> ET.Element:
    path = write_junit(folder, SuiteResult(suite="unit", stories=stories, seconds=12.5))
    assert path.name == "TEST-unit.xml"
    # Bytes: the parser itself reads the encoding, as a server's does.
    root = ET.fromstring(path.read_bytes())  # noqa: S314 - it was written a moment ago
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    return suite


def test_the_counts_agree_with_the_cases(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, *STORIES)
    cases = suite.findall("testcase")
    assert (suite.get("name"), suite.get("tests"), suite.get("time")) == ("unit", "6", "12.500")
    assert len(cases) == len(list(suite)) == 6
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(attribute, "")) == len(suite.findall(f"testcase/{tag}"))
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("1", "2", "1")


def test_a_case_says_where_it_is_and_how_long_it_took(tmp_path: Path) -> None:
    case, *_, whole = suite_of(tmp_path, *STORIES).findall("testcase")
    assert dict(case.attrib) == {
        "classname": "tests.unit.core.test_run",
        "name": "test_good",
        "time": "0.250",
        "file": FILE,
    }
    assert (whole.get("classname"), whole.get("name"), whole.get("file")) == ("unit", "pytest", None)


def test_what_xml_cannot_hold_is_escaped_and_nothing_else_changes(tmp_path: Path) -> None:
    failure = suite_of(tmp_path, *STORIES).findall("testcase")[1].find("failure")
    assert failure is not None
    assert failure.text is not None
    line = failure.text.splitlines()[0]
    assert line == '\\x00\\x1b[31mred\\x1b[0m \\x0b \\ud800 \\ufffe \\x7f ]]> <b> & "quoted" \N{GRINNING FACE} ü\tend'
    raw = (tmp_path / "TEST-unit.xml").read_bytes()
    assert not [byte for byte in raw if byte < 0x20 and byte not in b"\t\n\r"]


def test_a_long_text_loses_its_middle(tmp_path: Path) -> None:
    error = suite_of(tmp_path, *STORIES).findall("testcase")[2].find("error")
    assert error is not None
    assert f"{200_000 - LONGEST} characters left out" in (error.text or "")
    assert len(error.text or "") < LONGEST + 100


def test_a_flaky_case_has_passed_and_keeps_its_first_error(tmp_path: Path) -> None:
    case = suite_of(tmp_path, *STORIES).findall("testcase")[4]
    assert [child.tag for child in case] == ["system-out"]
    assert (case[0].text or "").startswith("failed before a retry:\nfirst ")


def test_a_suite_without_stories_is_valid(tmp_path: Path) -> None:
    assert suite_of(tmp_path).get("tests") == "0"
