"""Plain words for what Invoke complains about; the command line as a whole is tested with the tasks."""

from __future__ import annotations

import pytest
from invoke.exceptions import ParseError
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext

from consul_docker_host.commands.program import explain

CORE = ParserContext(args=[Argument("list", kind=bool)])
BUILD = ParserContext(name="build.all", args=[Argument("settings"), Argument("proof", kind=bool, default=True)])
TASKS = {"build": BUILD, "build.all": BUILD}


@pytest.mark.parametrize(
    ("text", "context", "told"),
    [
        ("No idea what 'buil' is!", CORE, "unknown task buil; did you mean build?\n  ./inv --list shows all tasks"),
        (
            "No idea what '--lisst' is!",
            CORE,
            "unknown option --lisst; did you mean --list?\n  ./inv --help shows all options",
        ),
        ("No idea what '--no-prof' is!", BUILD, "build: unknown option --no-prof; did you mean --no-proof?\n"),
        ("No idea what '--lisst' is!", BUILD, "build: unknown option --lisst; did you mean --list?\n"),
        (
            "No idea what '--zzzzzz' is!",
            BUILD,
            "build: unknown option --zzzzzz\n  ./inv --help build shows its options",
        ),
        (
            "Flag <Argument: settings (s)> needed value and was not given one!",
            BUILD,
            "build: --settings needs a value\n",
        ),
        ("'x' is ambiguous when given after an optional-value flag", None, "'x' is ambiguous when given after"),
    ],
)
def test_a_complaint_names_the_task_and_the_nearest_word(text: str, context: ParserContext | None, told: str) -> None:
    assert explain(ParseError(text, context), TASKS, CORE).startswith(told)
