"""Waves: their sizes, and when the next may follow."""

from __future__ import annotations

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.fleet.outcome import Outcome, State
from consul_docker_host.fleet.waves import has_shown, is_sound, parse_sizes, servers_in_order, wave_size


def wave(*states: State) -> list[Outcome]:
    return [Outcome(host=f"h{number}", state=state) for number, state in enumerate(states)]


def test_a_fleet_goes_one_then_a_tenth_then_the_rest() -> None:
    sizes = parse_sizes("1,10%")
    assert [wave_size(sizes, number, 95) for number in range(3)] == [1, 10, 95]
    assert wave_size(sizes, 1, 3) == 1


@pytest.mark.parametrize("text", ["0", "x", "-1", "10,%", "101%", "1.5"])
def test_a_size_that_is_none_is_told(text: str) -> None:
    with pytest.raises(BuildError, match="is not a wave size"):
        parse_sizes(text)


def test_a_host_s_own_trouble_stops_nobody_but_an_ill_host_does() -> None:
    assert is_sound(wave(State.OK, State.UNREACHABLE, State.FAILED))
    assert is_sound(wave(State.UNREACHABLE))
    assert not is_sound(wave(State.OK, State.UNHEALTHY))
    assert not is_sound(wave(State.FAILED, State.UNREACHABLE))


def test_a_wave_without_a_good_host_has_shown_nothing() -> None:
    assert not has_shown(wave(State.UNREACHABLE))
    assert has_shown(wave(State.UNREACHABLE, State.OK))


def test_the_leader_comes_last() -> None:
    assert servers_in_order(["a", "b", "c"], "a") == ("b", "c", "a")
    assert servers_in_order(["a", "b"], "") == ("a", "b")
