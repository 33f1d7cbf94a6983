"""How figures are told: with the goal that they are measured by."""

from __future__ import annotations

from consul_docker_host.core.report import say, table


def tell(what: str, value: str, goal: str) -> None:
    """Print a figure, its goal, and what it is of."""
    say("")
    for line in table(("figure", "goal", "of"), [(value, goal, what)]):
        say(line)
