"""The words for a wrong value: it is shown so that it can be recognised, and nothing more of it."""

from __future__ import annotations

import pytest

from consul_docker_host.settings.mistakes import key_location, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (5, "5"),
        (1.5, "1.5"),
        ("a b", "'a b'"),
        ("\x1b[2J", "'\\x1b[2J'"),
        ({"a": 1}, "a table"),
        ([1, 2], "a list"),
        ("x" * 100, "'" + "x" * 59 + "..."),
    ],
)
def test_a_value_is_shown_as_toml_has_it(value: object, text: str) -> None:
    assert shown(value) == text


def test_the_key_of_a_mapping_is_a_key_like_others() -> None:
    assert key_location(("services", 0, "meta", "a b", "[key]")) == ("services", 0, "meta", "a b")
