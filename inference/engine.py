"""What every engine offers, and how its speed is measured."""

import time
from typing import Protocol

import numpy as np
import numpy.typing as npt

from helpers import ImageShape

Pixels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]

TIMED_RUNS = 3


class Engine(Protocol):
    """Computes a network; safe to use from many threads."""

    @property
    def name(self) -> str:
        """The value of the setting ENGINE that selects it."""

    @property
    def shape(self) -> ImageShape:
        """The pictures that it takes."""

    @property
    def concurrency(self) -> int:
        """How many batches may be computed at once."""

    @property
    def streams(self) -> int:
        """How many of these have cores of their own; the others wait for a turn on the same device."""

    def __call__(self, pixels: Pixels) -> Probabilities:
        """Return the probabilities (n, classes) of the pictures in pixels (n, height, width, channels)."""

    def release_memory(self) -> None:
        """Give back what earlier batches needed, while none is computed; the next one takes what it needs."""


class Run(Protocol):
    """Computes one batch."""

    def __call__(self, pixels: Pixels) -> Probabilities:
        """Return the probabilities (n, classes) of the pictures in pixels (n, height, width, channels)."""


def fastest_s(run: Run, pixels: Pixels) -> float:
    """Return how long a batch takes, in seconds: the fastest of a few runs after a warm-up run."""
    run(pixels)
    seconds = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        run(pixels)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
