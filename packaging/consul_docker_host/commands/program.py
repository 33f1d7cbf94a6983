"""The command line: Invoke, which suggests the nearest option or task for a typing mistake."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Mapping

from invoke.collection import Collection
from invoke.exceptions import ParseError
from invoke.parser.context import ParserContext
from invoke.program import Program

UNKNOWN = re.compile(r"No idea what '(?P<word>.*)' is!", re.DOTALL)
NO_VALUE = re.compile(r"Flag <Argument: (?P<name>\S+).*> needed value and was not given one!", re.DOTALL)


class Inv(Program):
    """Run Invoke with one collection of tasks."""

    def __init__(self, tasks: Collection) -> None:
        super().__init__(namespace=tasks, name="inv", binary="inv")

    def parse_tasks(self) -> None:
        """Parse the tasks and their options."""
        try:
            super().parse_tasks()
        except ParseError as error:
            raise ParseError(explain(error, self.contexts(), self.initial_context), error.context) from None

    def parse_cleanup(self) -> None:
        """Answer --help and --list."""
        try:
            super().parse_cleanup()
        except ParseError as error:
            raise ParseError(explain(error, self.contexts(), self.initial_context), error.context) from None

    def print_task_help(self, name: str) -> None:
        """Print a task's help like other command lines, instead of Invoke's with the heading "Docstring:"."""
        options = self.parser.contexts[name].help_tuples()
        print(f"Usage: {self.binary} {name.removesuffix('.all')}{' [OPTIONS]' if options else ''}\n")
        print(inspect.getdoc(self.collection[name]))
        if options:
            print("\nOptions:")
            self.print_columns(options)

    def contexts(self) -> dict[str, ParserContext]:
        """Return the options of each task, by the names and the aliases of the tasks."""
        named: dict[str, ParserContext] = {}
        for context in self.collection.to_contexts():
            named |= {name: context for name in (context.name, *context.aliases) if name}
        return named


def explain(error: ParseError, tasks: Mapping[str, ParserContext], core: ParserContext) -> str:
    """Return Invoke's error in plain words with the nearest option or task; errors of other kinds are unchanged."""
    text, full_name = str(error), (error.context.name or "") if error.context else ""
    # A group's default task is called by the group's name: build, not build.all.
    task = full_name.removesuffix(".all")
    prefix = f"{task}: " if task else ""
    help_hint = f"./inv --help {task} shows its options" if task else "./inv --help shows all options"
    if missing := NO_VALUE.fullmatch(text):
        return f"{prefix}--{missing['name']} needs a value\n  {help_hint}"
    unknown = UNKNOWN.fullmatch(text)
    if not unknown:
        return text
    # Invoke has already escaped control characters.
    word = unknown["word"]
    if word.startswith("-"):
        return f"{prefix}unknown option {word}{_nearest(word, _options(tasks.get(full_name), core))}\n  {help_hint}"
    return f"unknown task {word}{_nearest(word, tasks)}\n  ./inv --list shows all tasks"


def _options(task: ParserContext | None, core: ParserContext) -> list[str]:
    contexts = [context for context in (task, core) if context]
    return [option for context in contexts for option in (*context.flags, *context.inverse_flags)]


def _nearest(word: str, choices: Iterable[str]) -> str:
    names = list(choices)
    # `build deb` means build.deb.
    members = [name for name in names if name.endswith(f".{word}")]
    near = members[:1] or difflib.get_close_matches(word.lower(), names, n=1)
    return f"; did you mean {near[0]}?" if near else ""
