"""Brings an engine to full speed, and measures which batch size it likes."""

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import mean
from typing import Literal

from numpy.random import default_rng

from inference.engine import Engine, Pixels, fastest_s
from logger import log

LARGEST_BATCH = 32
# The share of a picture's time that a batch of twice the size must save: otherwise it only makes results come later.
WORTHWHILE = 0.03
# What a batch of any size takes besides its network: results are published, and jobs fetched. On two cores, batches of
# 1, 2 and 4 of ResNet50 in bfloat16 differ by 1 to 4 ms more than the network does.
BETWEEN_BATCHES_S = 0.002
# Batches that take longer are not doubled: half of what lies between two is little beside them, and measuring takes at
# least eighteen times as long, while starts should be short.
LONG_BATCH_S = 0.05
# How often a size and its half take turns, and for how long each; one batch is always measured.
TURNS = 3
TURN_S = 0.07


def warm_up(engine: Engine, wanted: int | Literal["auto"]) -> int:
    """Run the engine until it is at full speed, and return the batch size to use."""
    size = 1 if wanted == "auto" else wanted
    alone_s = fastest_s(engine, _pictures(engine, size))
    if wanted == "auto":
        size = _best_batch_size(engine, alone_s)
        engine.release_memory()  # of the batches that were too large
    return size


def _best_batch_size(engine: Engine, picture_s: float) -> int:
    """Double the batch as long as that pays, since a larger one adds latency.

    Args:
        engine: to measure.
        picture_s: how long it takes for a picture that is alone.
    """
    size, batch_s, saved = 1, engine.streams * picture_s, 1.0
    # A doubling saves about half as much as the one before it.
    while size < LARGEST_BATCH and batch_s < LONG_BATCH_S and saved / 2 > WORTHWHILE:
        half_s, batch_s = _compare(engine, size)
        log("batch_size_tried", level="debug", size=2 * size, seconds=batch_s, half_of_it_seconds=half_s)
        saved = 1 - (batch_s + BETWEEN_BATCHES_S) / (2 * (half_s + BETWEEN_BATCHES_S))
        if saved < WORTHWHILE:
            break
        size *= 2
    return size


def _compare(engine: Engine, size: int) -> tuple[float, float]:
    """Return how long batches of this size and of twice the size take while all streams compute, in seconds.

    The sizes take turns, so that whatever else the machine does slows both down; the better turn of each counts.
    """
    half, whole = _pictures(engine, size), _pictures(engine, 2 * size)
    turns = [(_batch_s(engine, half), _batch_s(engine, whole)) for _ in range(TURNS)]
    return min(half_s for half_s, _ in turns), min(whole_s for _, whole_s in turns)


def _batch_s(engine: Engine, pixels: Pixels) -> float:
    """Return the mean time of a batch while all streams compute such batches one after the other, in seconds."""
    busy = set(range(engine.streams))

    def run(stream: int) -> float:
        try:
            engine(pixels)  # an engine may be slower on the first batch of another size
            batches, began = 0, time.perf_counter()
            while batches == 0 or time.perf_counter() - began < TURN_S:
                engine(pixels)
                batches += 1
            seconds = (time.perf_counter() - began) / batches
        finally:
            busy.discard(stream)
        while busy:
            engine(pixels)  # the others would be faster without it
        return seconds

    with ThreadPoolExecutor(engine.streams) as pool:
        return mean(pool.map(run, range(engine.streams)))


def _pictures(engine: Engine, size: int) -> Pixels:
    return default_rng(0).integers(0, 256, (size, *engine.shape), "uint8")
