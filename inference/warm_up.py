"""Brings an engine to full speed, and measures which batch size it likes."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from numpy.random import default_rng

from inference.engine import Engine, Pixels, fastest_s
from logger import log

LARGEST_BATCH = 32
# A batch must take less than this share of the time of its two halves: otherwise it only makes results come later.
GOOD_ENOUGH = 0.95
# Batches that take longer are not doubled: measuring takes at least eleven times as long, and starts should be short.
LONG_BATCH_S = 0.15
# How long one size is compared with its half: for so many rounds, or so many seconds, but for two rounds at least.
ROUNDS = 20
MEASURED_S = 0.6


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
    size, batch_s = 1, engine.streams * picture_s
    while size < LARGEST_BATCH and batch_s < LONG_BATCH_S:
        half_s, batch_s = _compare(engine, size)
        log("batch_size_tried", level="debug", size=2 * size, seconds=batch_s, half_of_it_seconds=half_s)
        if batch_s > GOOD_ENOUGH * 2 * half_s:
            break
        size *= 2
    return size


def _compare(engine: Engine, size: int) -> tuple[float, float]:
    """Return how long batches of this size and of twice the size take while all streams compute, in seconds.

    The sizes take turns, so that whatever else the machine does slows both down. The fastest of each stream counts. The
    smaller one runs twice, since an engine may be slower on the first batch of another size.
    """
    half, whole = _pictures(engine, size), _pictures(engine, 2 * size)
    busy = set(range(engine.streams))

    def run(stream: int) -> tuple[float, float]:
        rounds: list[tuple[float, float, float]] = []
        try:
            engine(half)
            engine(whole)
            end = time.perf_counter() + MEASURED_S
            while len(rounds) < 2 or (len(rounds) < ROUNDS and time.perf_counter() < end):
                rounds.append((_seconds(engine, half), _seconds(engine, half), _seconds(engine, whole)))
        finally:
            busy.discard(stream)
        while busy:
            engine(half)  # the others would be faster without it
        return min(min(times[:2]) for times in rounds), min(times[2] for times in rounds)

    with ThreadPoolExecutor(engine.streams) as pool:
        fastest = list(pool.map(run, range(engine.streams)))
    return sum(half_s for half_s, _ in fastest) / len(fastest), sum(whole_s for _, whole_s in fastest) / len(fastest)


def _seconds(engine: Engine, pixels: Pixels) -> float:
    started = time.perf_counter()
    engine(pixels)
    return time.perf_counter() - started


def _pictures(engine: Engine, size: int) -> Pixels:
    return default_rng(0).integers(0, 256, (size, *engine.shape), "uint8")
