"""What the test beds answer about the images of their engine: which are former, and what was made from those."""

from __future__ import annotations

from consul_docker_host.prove.distributions import read_distributions
from tests.support.cache import DAY, recipes, rooms, states_of
from tests.support.containers.images import REPOSITORY, system_recipe

BASE = system_recipe(read_distributions()[0]).tag
FORMER = f"{BASE[:-12]}{'0' * 12}"
ONE, TWO = "1" * 12, "2" * 12


def test_an_image_of_a_former_recipe_is_outdated_with_all_that_was_made_from_it() -> None:
    derived = f"-consul-{ONE}-upstream-{TWO}"
    tags = dict.fromkeys((BASE, FORMER, f"{BASE}{derived}", f"{FORMER}{derived}"), 1.0)
    assert states_of(tags) == {
        BASE: "current",
        FORMER: "outdated",
        f"{BASE}{derived}": "current",
        f"{FORMER}{derived}": "outdated",
    }


def test_of_a_kind_what_was_not_used_for_a_day_less_is_outdated_and_so_is_what_is_made_of_it() -> None:
    tags = {
        f"{BASE}-consul-{ONE}": 0.0,
        f"{BASE}-consul-{ONE}-client-{ONE}": 2 * DAY,
        f"{BASE}-consul-{TWO}": 2 * DAY,
        f"{BASE}-upstream-{ONE}": 0.0,
    }
    assert list(states_of(tags).values()) == ["outdated", "outdated", "current", "current"]


def test_an_image_of_an_unknown_recipe_stays_until_another_of_its_kind_replaces_it() -> None:
    other = f"{REPOSITORY}:other-99"
    tags = {f"{other}-{ONE}": 0.0, f"{other}-{TWO}": 2 * DAY, f"{REPOSITORY}:strange": 0.0}
    assert list(states_of(tags).values()) == ["outdated", "unknown", "unknown"]


def test_an_image_that_a_current_base_does_not_name_by_chance_is_not_its_own() -> None:
    # The former's name begins with no current one's, and no name is the beginning of another.
    names = [recipe.tag for recipe in recipes()]
    assert len(set(names)) == len(names)
    assert not [(one, other) for one in names for other in names if one != other and other.startswith(f"{one}-")]


def test_every_room_s_answer_is_a_name_without_a_path() -> None:
    for room, answer in rooms().items():
        assert answer["current"], room
        assert not [name for name in answer["current"] if "/" in name], room
