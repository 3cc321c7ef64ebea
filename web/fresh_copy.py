"""A copy of something that takes long to make, for all who ask within a moment."""

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class FreshCopy(Generic[Value]):
    """Makes a value when the last one is too old; safe to use from many threads.

    Args:
        make: returns a new value.
        max_age_s: how old a value may be that is given away, in seconds.
    """

    def __init__(self, make: Callable[[], Value], max_age_s: float) -> None:
        self._make = make
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._values: list[Value] = []
        self._expires_at = -math.inf

    def get(self) -> Value:
        """Return a value that is not too old."""
        with self._lock:
            if time.monotonic() >= self._expires_at:
                self._values = [self._make()]
                self._expires_at = time.monotonic() + self._max_age_s
            return self._values[0]
