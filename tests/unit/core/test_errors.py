"""The one error that reaches the user."""

from __future__ import annotations

import errno

import pytest

from consul_docker_host.core.errors import HINTS, BuildError, Mistakes, describe


def test_an_error_is_a_fact_and_below_it_the_remedy() -> None:
    assert str(BuildError("a: is wrong", hint="mend it")) == "a: is wrong\n  mend it"
    assert str(BuildError("a: is wrong")) == "a: is wrong"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BuildError("x", hint="y"), "x\n  y"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/dist/x"),
            "/dist/x: Permission denied\n  " + HINTS[errno.EACCES],
        ),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("odd"), "odd"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_fault_of_the_system_is_told_with_the_file_it_names(error: BaseException, told: str) -> None:
    assert describe(error) == told


def test_a_full_disk_is_told_with_what_to_do() -> None:
    first, second = describe(OSError(errno.ENOSPC, "No space left on device", "/dist/x")).splitlines()
    assert first == "/dist/x: No space left on device"
    assert "free some disk space and retry" in second


def test_all_mistakes_are_in_one_error_each_with_its_hint_and_none_twice() -> None:
    mistakes = Mistakes()
    for error in (BuildError("a: x", hint="do a"), BuildError("b: y"), BuildError("a: x", hint="do a")):
        with mistakes.collected():
            raise error
    with pytest.raises(BuildError) as caught:
        mistakes.refuse()
    assert str(caught.value) == "a: x\n  do a\nb: y"


def test_a_single_mistake_is_raised_as_it_is_and_none_raises_nothing() -> None:
    mistakes = Mistakes()
    mistakes.refuse()
    with mistakes.collected():
        raise BuildError("a: x", hint="do a")
    with pytest.raises(BuildError) as caught:
        mistakes.refuse()
    assert (caught.value.message, caught.value.hint) == ("a: x", "do a")


def test_an_error_that_is_not_the_user_s_is_not_collected() -> None:
    mistakes = Mistakes()
    with pytest.raises(KeyError), mistakes.collected():
        raise KeyError("x")
