"""An engine that only pretends to take time."""

import threading
from collections.abc import Callable

import numpy as np

from helpers import ImageShape
from inference.engine import Pixels, Probabilities


class PretendedEngine:
    """Each thread has a clock of its own, which only its own batches move.

    Args:
        seconds: how long a batch of a size takes.
        streams: how many batches have cores of their own.
    """

    name = "pretended"
    shape = ImageShape(1, 1, 3)

    def __init__(self, seconds: Callable[[int], float], streams: int = 2) -> None:
        self.concurrency = self.streams = streams
        self.largest = self.kept = 0
        self._seconds = seconds
        self._clock = threading.local()

    def __call__(self, pixels: Pixels) -> Probabilities:
        self.largest = self.kept = max(self.largest, len(pixels))
        self._clock.now = self.now() + self._seconds(len(pixels))
        return np.ones((len(pixels), 1), np.float32)

    def release_memory(self) -> None:
        self.kept = 0

    def now(self) -> float:
        now: float = getattr(self._clock, "now", 0.0)
        return now
