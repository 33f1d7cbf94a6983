"""Words that make readers guess stay out of all texts: builder, host, deploy, scripts, images and documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import ROOT
from tests.unit.kit import walk

DIRECTORIES = ("files", "packaging", "pyinfra_deploy", "docs")
FILES = ("README.md", "CONTRIBUTING.md", "inv", "tasks.py")
PATHS = [path for name in DIRECTORIES if (ROOT / name).is_dir() for path in walk(ROOT / name)]
PATHS += [ROOT / name for name in FILES]
# The second half of each pair is the word to write instead. A pattern matches no identifier of the code.
WORDS = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bstands? twice\b": "is given twice",
    r"\bagain and again\b": "keeps crashing, or: repeatedly",
    r"\bno secret belongs\b": "Never put secrets in the settings",
    r"\bnot installed whole\b": "installation is incomplete",
    r"\btext in quotes\b": "string in quotes",
    r"\bno end after\b": "timed out after",
    r"\bis none of\b": "is not valid; use",
    r"\banew\b": "again, recreate or rebuild",
    r"\bends? with [0-9]\b": "exits with",
    r"(?<!there )\bis no (?!longer\b|more\b)[a-z]": "is not a",
    r"\btells? [a-z]|\btold\b": "report, print or show",
    r"\bjudg(e|es|ed|ing|ement)\b": "validate or check",
    r"\bbelieved\b": "verified or validated",
    r"\bknows? no\b": "does not know",
    r"\bleft alone\b": "not affected or not changed",
    r"\bas (it|they) (was|were)\b": "unchanged or kept",
    r"\bfor ever\b": "forever",
    r"\blies? (in|on|at|below|beside)\b": "is in",
    r"\bin one step\b": "atomically",
    r"\b(root|Consul|Docker) alone\b": "only root",
    r"\u2192": "-> or a sentence, since a terminal may not show the arrow",
}


def test_the_texts_are_found() -> None:
    assert len(PATHS) > 200


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_texts_are_plain_english(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    matches = [(match, instead) for word, instead in WORDS.items() for match in re.finditer(word, text, re.IGNORECASE)]
    assert not [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {match[0]} -> {instead}" for match, instead in matches
    ]
