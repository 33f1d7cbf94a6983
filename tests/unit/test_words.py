"""Words that readers had to guess stay out of the texts of builder, deploy, settings and manual page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import ROOT
from tests.unit.kit import walk

FOLDERS = ("packaging/consul_docker_host", "pyinfra_deploy", "files/usr/share/man")
PATHS = [path for folder in FOLDERS for path in walk(ROOT / folder) if path.suffix in {".py", ".j2"}]
PATHS += [ROOT / "tasks.py", ROOT / "packaging" / "settings.toml"]
# What to write instead is in the second half of each pair.
WORDS = {
    r"\bmends?\b": "fix",
    r"stands? twice": "is given twice",
    r"again and again": "keeps crashing",
    r"No secret belongs": "Never put secrets in the settings",
    r"not installed whole": "installation is incomplete",
    r"text in quotes": "string in quotes",
    r"\bno end after\b": "timed out after",
    r"\bis none of\b": "is not valid; use",
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_texts_are_plain_english(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not [f"{found[0]} -> {instead}" for word, instead in WORDS.items() for found in re.finditer(word, text)]
