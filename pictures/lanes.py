"""The two lanes in which pictures are decoded, and what a picture may cost in each."""

import sys

from pictures.cell import CellLimits
from pictures.observers import Lane
from settings import Settings

# What is cheap, in pixels that Pillow decodes in full: some 50 ms of a core.
FAST_COST = 4_000_000
FAST_HEADER_S, FAST_TOTAL_S = 0.05, 0.5
# About a tenth of the share of a process of normal priority: sched(7).
SLOW_NICENESS = 10
# The most expensive picture of 50 million pixels takes 1.0 GiB.
LARGEST_BYTES = 1024 * 1024 * 1024
MEMORY_BYTES = 1500 * 1024 * 1024
# Of all memory, for expensive pictures.
SLOW_SHARE = 0.5


def lane_limits(settings: Settings) -> dict[Lane, CellLimits]:
    """Return the limits of each lane."""
    upload_bytes, slow_s = settings.max_upload_bytes, settings.decode_timeout_s
    header_s, total_s = min(FAST_HEADER_S, slow_s), min(FAST_TOTAL_S, slow_s)
    return {
        Lane.FAST: CellLimits(upload_bytes, FAST_COST, header_s, total_s, MEMORY_BYTES, 0),
        Lane.SLOW: CellLimits(upload_bytes, sys.maxsize, slow_s, slow_s, MEMORY_BYTES, SLOW_NICENESS),
    }


def slow_cells(memory: int, cores: int, web_processes: int) -> int:
    """Return how many cells a web server process has for expensive pictures.

    Args:
        memory: of all processes together, in bytes.
        cores: for all processes; one is left to cheap pictures.
        web_processes: how many there are.
    """
    fitting = int(memory * SLOW_SHARE / LARGEST_BYTES / web_processes)
    return max(1, min(cores - 1, fitting))
