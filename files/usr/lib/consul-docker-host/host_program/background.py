"""Run functions that wait for different programs in parallel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Later(Generic[T]):
    """A function that starts at once in its own thread; ``get`` waits for its result, or raises its error."""

    # concurrent.futures does the same, but importing it takes longer because it imports logging.
    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._error: Exception | None = None
        # The thread is a daemon, so that a program which never ends does not keep the check from exiting.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._function()
        except Exception as error:  # raised again by get
            self._error = error

    def get(self) -> T:
        """Wait for the function and return its value."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value
