"""Questions that wait for different programs at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Later(Generic[T]):
    """A function that runs in a thread of its own from now on; ``get`` waits for what it returns, or raises."""

    # concurrent.futures does the same, and imports logging.
    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._error: Exception | None = None
        # A program that never ends must not keep the check from ending.
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
