"""Latencies as a few figures, and as a histogram."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MOST_BUCKETS = 10


@dataclass(frozen=True)
class Bucket:
    """How many latencies were in a range, in the unit in which they were given."""

    low: float
    high: float
    count: int


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    """Return the smallest, the largest and those in between by name, in the unit given; nothing of nothing."""
    if not latencies:
        return {}
    two_or_more = [*latencies, latencies[0]] if len(latencies) == 1 else latencies
    cuts = statistics.quantiles(two_or_more, n=100, method="inclusive")
    between = {f"p{percent}": cuts[percent - 1] for percent in (50, 90, 95, 99)}
    return {"min": min(latencies)} | between | {"max": max(latencies)}


def histogram(latencies: Sequence[float]) -> list[Bucket]:
    """Count the latencies (above 0) in buckets, each wider than the one before by the same factor.

    So both the fast ones and the few slow ones can be told apart.
    """
    if not latencies:
        return []
    low, high = min(latencies), max(latencies)
    if low == high:
        return [Bucket(low, high, len(latencies))]
    buckets = min(MOST_BUCKETS, len(latencies))
    width = math.log(high / low) / buckets
    counts = [0] * buckets
    for latency in latencies:
        counts[min(int(math.log(latency / low) / width), buckets - 1)] += 1
    edges = [low * math.exp(width * number) for number in range(buckets)] + [high]
    return [Bucket(*bucket) for bucket in zip(edges[:-1], edges[1:], counts, strict=True)]
