"""The line of each key of a TOML file: the scanner finds what tomllib finds, in the line where a reader sees it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import ROOT
from consul_docker_host.settings.positions import Location, find_lines
from tests.unit.kit import walk

FILES = [path for folder in ("packaging", "tests") for path in walk(ROOT / folder) if path.suffix == ".toml"]
# Every construct that can hide a key, or look like one.
TRICKY = '''\
# a = 1 [no] table
top = "x = [1]"
"quoted # key" = 'single \\'
a.b . "c.d" = 1

[table] # [[comment]]
multi = """
fake = 1
[fake]
\\"""still inside"""""
literal = \'\'\'
fake = "2"
\'\'\'
list = [
    1, # one, two ]
    "]", [ "nested",
        2 ],
    { x = 1, y.z = [3] },
]
when = 2026-01-31 10:00:00 # a space in a value
[ table . "sub table" ]
empty = []
none = {}
[[array]]
name = "first"
[array.inner]
x = true
[[array.more]]
[[array.more]]
y = -1.5e3
[[array]]
name = "second"
[implied.deep.table]
"\\u00e9" = inf
'''


def locations(value: object, location: Location = ()) -> Iterator[Location]:
    """Yield each table, key and item that tomllib has read."""
    if location:
        yield location
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from locations(inner, (*location, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from locations(inner, (*location, index))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_key_of_the_project_s_own_files_has_a_line(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(find_lines(text)) == set(locations(tomllib.loads(text)))


def test_the_scanner_finds_what_tomllib_finds_and_nothing_else() -> None:
    assert set(find_lines(TRICKY)) == set(locations(tomllib.loads(TRICKY)))
    windows = TRICKY.replace("\n", "\r\n")
    assert find_lines(windows) == find_lines(TRICKY)


@pytest.mark.parametrize(
    ("location", "begin"),
    [
        (("top",), "top = "),
        (("quoted # key",), '"quoted'),
        (("a", "b", "c.d"), "a.b"),
        (("table",), "[table]"),
        (("table", "literal"), "literal"),
        (("table", "list", 0), "    1,"),
        (("table", "list", 1), '    "]"'),
        (("table", "list", 2, 1), "        2 ]"),
        (("table", "list", 3, "y", "z", 0), "    { x"),
        (("table", "when"), "when"),
        (("table", "sub table", "none"), "none"),
        (("array", 0, "inner", "x"), "x = true"),
        (("array", 0, "more", 1, "y"), "y = "),
        (("array", 1, "name"), 'name = "second"'),
        (("implied", "deep"), "[implied"),
        (("implied", "deep", "table", "é"), '"\\u00e9"'),
    ],
)
def test_a_key_is_in_the_line_where_a_reader_sees_it(location: Location, begin: str) -> None:
    assert TRICKY.splitlines()[find_lines(TRICKY)[location] - 1].startswith(begin)
