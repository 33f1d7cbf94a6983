"""Results as JUnit's XML, the form that GitLab, Jenkins and GitHub's test reporters read: one file a suite."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from consul_docker_host.core.workspace import write_text
from consul_docker_host.prove.results import Outcome, Story, SuiteResult

# XML 1.0 has no way to write these characters: https://www.w3.org/TR/xml/#charsets
UNWRITABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LONGEST = 60_000  # characters of one error: servers refuse or cut larger reports


def write_junit(folder: Path, result: SuiteResult) -> Path:
    """Write TEST-SUITE.xml into the directory and return its path."""
    path = folder / f"TEST-{result.suite}.xml"
    write_text(path, junit_text(result))
    return path


def junit_text(result: SuiteResult) -> str:
    """Return a suite's results as a document with one <testsuite>."""
    counts = {outcome: sum(story.outcome is outcome for story in result.stories) for outcome in Outcome}
    attributes = {
        "name": result.suite,
        "tests": str(len(result.stories)),
        "failures": str(counts[Outcome.failed]),
        "errors": str(counts[Outcome.error]),
        "skipped": str(counts[Outcome.skipped]),
        "time": f"{result.seconds:.3f}",
    }
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", attributes)
    for story in result.stories:
        add_case(suite, story)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def add_case(suite: ET.Element, story: Story) -> None:
    """Add one story as a <testcase>."""
    file, _, test = story.name.partition("::")
    is_test = bool(test)
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": writable(file.removesuffix(".py").replace("/", ".")) if is_test else story.suite,
            "name": writable(test or story.name),
            "time": f"{story.seconds:.3f}",
        },
    )
    if is_test:
        case.set("file", file)
    if story.outcome is not Outcome.passed:
        tag = {Outcome.failed: "failure", Outcome.error: "error", Outcome.skipped: "skipped"}[story.outcome]
        ET.SubElement(case, tag, {"message": writable(story.reason)}).text = writable(shortened(story.text))
    if story.earlier:
        ET.SubElement(case, "system-out").text = writable(shortened(f"failed before a retry:\n{story.earlier}"))


def writable(text: str) -> str:
    """Return a text with an escape in place of each character that XML cannot hold."""
    return UNWRITABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def shortened(text: str) -> str:
    """Return a text without its middle where it is too long for a report."""
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
