"""What a load has shown: each request, the figures, and their text."""

import bisect
import math
import statistics
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

GOOD = "200"
MAX_BUCKETS = 10
BAR_WIDTH = 50


class Sample(NamedTuple):
    """One finished request.

    Attributes:
        due_s: when it was to be sent, in seconds since the load began.
        delay_s: how much later it was sent.
        latency_s: the time from when it was due to the end of its answer.
        outcome: the HTTP status, or why there was no answer.
    """

    due_s: float
    delay_s: float
    latency_s: float
    outcome: str


@dataclass
class Results:
    """All requests of a load; safe to use from many threads.

    Attributes:
        samples: the finished ones.
        begun: how many were due.
        held_back: how many of these were sent late, since too many others were in flight.
        failed: how many of the samples had another outcome than 200.
    """

    samples: list[Sample] = field(default_factory=list)
    begun: int = 0
    held_back: int = 0
    failed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def finished(self) -> int:
        """How many have had their answer, or failed."""
        return len(self.samples)

    @property
    def in_flight(self) -> int:
        """How many were due and have not finished."""
        return self.begun - self.finished

    def add(self, sample: Sample) -> None:
        """Count a finished request."""
        with self._lock:
            self.samples.append(sample)
            self.failed += sample.outcome != GOOD


@dataclass(frozen=True)
class Bucket:
    """The number of latencies in a range, in the unit in which they were given."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Report:
    """The figures; its fields are those of `--json`.

    Attributes:
        rate: requests per second that were due, in the open loop.
        concurrency: requests kept in flight, in the closed loop.
        seconds: from the beginning to the end of the last answer.
        requests: the number of finished requests.
        failed: how many of these had another outcome than 200.
        unfinished: how many were due, but were given up when the load was ended early.
        requests_per_s: finished requests over `seconds`.
        outcomes: the number of each HTTP status, or of each reason why there was no answer.
        latency_ms: of all finished requests, from when they were due; empty when there were none.
        histogram_ms: of the same latencies.
        held_back: how many were sent late, since too many others were in flight.
        longest_delay_ms: how late a request was sent at most.
        retries: how often a request was sent again, since its connection broke before an answer came.
    """

    rate: float | None
    concurrency: int | None
    seconds: float
    requests: int
    failed: int
    unfinished: int
    requests_per_s: float
    outcomes: Mapping[str, int]
    latency_ms: Mapping[str, float]
    histogram_ms: list[Bucket]
    held_back: int
    longest_delay_ms: float
    retries: int = 0

    @classmethod
    def of(cls, results: Results, rate: float | None, concurrency: int | None, retries: int = 0) -> Self:
        """Compute the figures."""
        samples = list(results.samples)
        latencies_ms = [sample.latency_s * 1000 for sample in samples]
        seconds = max((sample.due_s + sample.latency_s for sample in samples), default=0.0)
        return cls(
            rate=rate,
            concurrency=concurrency,
            seconds=seconds,
            requests=len(samples),
            failed=results.failed,
            unfinished=results.begun - len(samples),
            requests_per_s=len(samples) / seconds if samples else 0.0,
            outcomes=dict(sorted(Counter(sample.outcome for sample in samples).items())),
            latency_ms=percentiles(latencies_ms),
            histogram_ms=histogram(latencies_ms),
            held_back=results.held_back,
            longest_delay_ms=max((sample.delay_s * 1000 for sample in samples), default=0.0),
            retries=retries,
        )

    @property
    def good(self) -> bool:
        """There were requests, and all were answered with 200."""
        return self.requests > 0 and not (self.failed or self.unfinished)

    @property
    def load(self) -> str:
        """How the requests were sent, in words."""
        if self.rate is None:
            return f"closed loop, {self.concurrency} at once"
        return f"open loop, {self.rate:g} a second"

    def text(self) -> str:
        """Return the figures for a terminal."""
        speed = f"{self.requests_per_s:.1f} a second"
        lines = [f"{self.requests} requests in {self.seconds:.1f} s: {speed}, {self.failed} failed"]
        lines += [f"  {outcome}: {count}" for outcome, count in self.outcomes.items()]
        if self.unfinished:
            lines.append(f"  given up: {self.unfinished}")
        if self.retries:
            lines.append(f"  sent again: {self.retries}")
        if self.latency_ms:
            shown = ", ".join(f"{name} {ms:.0f} ms" for name, ms in self.latency_ms.items())
            lines.append(f"  latency: {shown}")
        return "\n".join([*lines, f"  {self.load}{self._punctuality()}", *self._bars()])

    def _punctuality(self) -> str:
        if self.rate is None:
            return ""
        late = f"at most {self.longest_delay_ms:.0f} ms late"
        if self.held_back:
            return f": {self.held_back} had to wait, since too many were in flight, and were sent {late}"
        return f": each was sent {late}"

    def _bars(self) -> Iterator[str]:
        most = max((bucket.count for bucket in self.histogram_ms), default=0)
        for bucket in self.histogram_ms:
            bar = "#" * round(bucket.count / most * BAR_WIDTH)
            yield f"  {bucket.low:8.1f} to {bucket.high:7.1f} ms  {bar:{BAR_WIDTH}}  {bucket.count}"


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    """Return the smallest, the largest and some percentiles by name, in the unit given; nothing for no latencies."""
    if not latencies:
        return {}
    two_or_more = [*latencies, latencies[0]] if len(latencies) == 1 else latencies
    cuts = statistics.quantiles(two_or_more, n=100, method="inclusive")
    between = {f"p{percent}": cuts[percent - 1] for percent in (50, 90, 95, 99)}
    return {"min": min(latencies)} | between | {"max": max(latencies)}


def histogram(latencies: Sequence[float]) -> list[Bucket]:
    """Count latencies (above 0) in buckets, each wider than the one before by the same factor.

    Between the first and the 99th percentile, that is: the first and the last bucket also hold what lies beyond, so
    that one outlier does not squeeze all others into one bucket.
    """
    if not latencies:
        return []
    lowest, highest = min(latencies), max(latencies)
    if lowest == highest:
        return [Bucket(lowest, highest, len(latencies))]
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    low, high = (cuts[0], cuts[-1]) if cuts[0] < cuts[-1] else (lowest, highest)
    buckets = min(MAX_BUCKETS, len(latencies))
    factor = math.log(high / low) / buckets
    inner = [low * math.exp(factor * number) for number in range(1, buckets)]
    counts = [0] * buckets
    for latency in latencies:
        counts[bisect.bisect_right(inner, latency)] += 1
    edges = [lowest, *inner, highest]
    return [Bucket(*bucket) for bucket in zip(edges[:-1], edges[1:], counts, strict=True)]
