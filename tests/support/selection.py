"""Which stories run on which distributions: the options ``--distro`` and ``--long``, and two marks.

``family("deb")``: the story is about that package format. ``short_form_on("debian-13")``: the short form runs it there
alone; ``--long`` and ``--distro`` run it on the other distributions as well.
"""

from __future__ import annotations

import pytest

from consul_docker_host.prove.distributions import Distribution, Family, read_distributions, select
from tests.conftest import leave_out


def parametrize_distribution(metafunc: pytest.Metafunc) -> None:
    """Give a story that asks for a ``distribution`` one run on each that the options select."""
    if "distribution" in metafunc.fixturenames:
        name, is_long = str(metafunc.config.getoption("distro", default="")), bool(metafunc.config.getoption("long"))
        chosen = [pytest.param(distribution, id=distribution.name) for distribution in select(name, is_long=is_long)]
        metafunc.parametrize("distribution", chosen, scope="session")


def leave_out_by_marks(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the runs on distributions that a story's marks exclude."""
    is_short = not (config.getoption("long") or config.getoption("distro", default=""))
    leave_out(config, items, lambda item: is_excluded(item, is_short=is_short))


def is_excluded(story: pytest.Item, *, is_short: bool) -> bool:
    """Return whether a story's marks exclude its distribution; UsageError for a mark with an unknown name."""
    parameters = story.callspec.params if isinstance(story, pytest.Function) and hasattr(story, "callspec") else {}
    distribution = parameters.get("distribution")
    families = names_of(story, "family", {str(family) for family in Family})
    enough = names_of(story, "short_form_on", {distribution.name for distribution in read_distributions()})
    if not isinstance(distribution, Distribution):
        return False
    is_of_another_family = bool(families) and distribution.family not in families
    return is_of_another_family or (is_short and bool(enough) and distribution.name not in enough)


def names_of(story: pytest.Item, mark: str, known: set[str]) -> set[str]:
    """Return the arguments of a story's mark, none where it has no such mark; UsageError for an unknown name."""
    closest = story.get_closest_marker(mark)
    names = set(closest.args) if closest else set()
    if unknown := sorted(names - known):
        raise pytest.UsageError(
            f"{story.nodeid}: {mark}({', '.join(unknown)}): is not known; use one of {', '.join(sorted(known))}"
        )
    return names
