"""Brings an engine to full speed, and measures which batch size it likes."""

from typing import Literal

import numpy as np

from inference.engine import Engine, fastest_s
from logger import log

LARGEST_BATCH = 32
# The smallest batch within this share of the best throughput is taken: a larger one only adds latency.
GOOD_ENOUGH = 0.95


def warm_up(engine: Engine, wanted: int | Literal["auto"]) -> int:
    """Run the engine until it is at full speed, and return the batch size to use."""
    if wanted == "auto":
        return _best_batch_size(engine)
    _throughput(engine, wanted)
    return wanted


def _best_batch_size(engine: Engine) -> int:
    """Double the batch as long as that pays, and return the smallest size that is nearly as fast as the best."""
    speeds: dict[int, float] = {}
    size = 1
    while size <= LARGEST_BATCH:
        speeds[size] = _throughput(engine, size)
        log("batch_size_tried", level="debug", size=size, images_per_s=speeds[size])
        if size > 1 and speeds[size] < speeds[size // 2] / GOOD_ENOUGH:
            break
        size *= 2
    best = max(speeds.values())
    return min(size for size, speed in speeds.items() if speed >= GOOD_ENOUGH * best)


def _throughput(engine: Engine, size: int) -> float:
    """Return the pictures per second in batches of one size."""
    pixels = np.random.default_rng(0).integers(0, 256, (size, *engine.shape), np.uint8)
    return size / fastest_s(engine, pixels)
