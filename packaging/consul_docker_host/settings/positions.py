"""Find the line of each key in a TOML file: tomllib reads values, but does not report where they are.

The scanner relies on text that tomllib has accepted, so it only has to find where keys and values begin and end.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

Location = tuple[str | int, ...]

BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
SPACE = re.compile(r"[ \t]*")
KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
# A string of several lines may end with up to two quotes of its own before the three that close it.
STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|' + r"'''.*?'{3,5}(?!')|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'", re.DOTALL
)
OTHER_VALUE = re.compile(r"[^,\]}\n#]+")


def find_lines(text: str) -> Mapping[Location, int]:
    """Return the line, counted from 1, of each table, key and list item of a valid TOML document."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    """One pass over the text; ``at`` is the offset of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Location, int] = {}
        # The number of elements that each array of tables has so far.
        self.counts: dict[Location, int] = {}

    def scan(self) -> Mapping[Location, int]:
        table: Location = ()
        self.skip(BLANK)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self.header()
            else:
                self.pair(table)
            self.skip(BLANK)
        return self.lines

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if not match:
            raise ValueError(f"offset {self.at}: not the TOML that was expected")
        self.at = match.end()
        return match[0]

    def is_next(self, mark: str) -> bool:
        """Return whether ``mark`` follows, and move behind it."""
        is_next = self.text.startswith(mark, self.at)
        self.at += len(mark) if is_next else 0
        return is_next

    def note(self, location: Location, offset: int) -> None:
        """Remember the line of a location and of the tables above it that have no header of their own."""
        line = self.text.count("\n", 0, offset) + 1
        for depth in range(1, len(location) + 1):
            self.lines.setdefault(location[:depth], line)

    def header(self) -> Location:
        offset, is_array = self.at, self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        *parents, name = self.dotted_key()
        self.at += 2 if is_array else 1
        table: Location = ()
        for part in parents:
            table = self.last_element((*table, part))
        table = (*table, name)
        if is_array:
            self.counts[table] = self.counts.get(table, 0) + 1
        table = self.last_element(table)
        # A header is a better position than an earlier key that only implied its table.
        self.lines.pop(table, None)
        self.note(table, offset)
        return table

    def last_element(self, table: Location) -> Location:
        """Return the table that a header's part means: of an array of tables, its last element."""
        return (*table, self.counts[table] - 1) if table in self.counts else table

    def dotted_key(self) -> list[str]:
        parts = []
        while True:
            self.skip(SPACE)
            raw = self.skip(KEY)
            parts.append(next(iter(tomllib.loads(f"{raw} = 0"))))
            self.skip(SPACE)
            if not self.is_next("."):
                return parts

    def pair(self, table: Location) -> None:
        offset = self.at
        location = (*table, *self.dotted_key())
        self.note(location, offset)
        self.at += 1  # the equals sign
        self.skip(SPACE)
        self.value(location)

    def value(self, location: Location) -> None:
        if self.is_next("["):
            self.array(location)
        elif self.is_next("{"):
            self.inline_table(location)
        elif self.text.startswith(('"', "'"), self.at):
            self.skip(STRING)
        else:
            self.skip(OTHER_VALUE)

    def array(self, location: Location) -> None:
        index = 0
        self.skip(BLANK)
        while not self.is_next("]"):
            self.note((*location, index), self.at)
            self.value((*location, index))
            self.skip(BLANK)
            self.is_next(",")
            self.skip(BLANK)
            index += 1

    def inline_table(self, location: Location) -> None:
        self.skip(BLANK)
        while not self.is_next("}"):
            self.pair(location)
            self.skip(BLANK)
            self.is_next(",")
            self.skip(BLANK)
