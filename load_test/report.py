"""What came of a load, as figures and as text."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from load_test.latency import Bucket, histogram, percentiles
from load_test.load import MOST_UNDER_WAY
from load_test.results import Results

BAR_WIDTH = 50


@dataclass(frozen=True)
class Report:
    """The figures; its fields are those of `--json`.

    Attributes:
        rate: how many requests were due a second, in the open loop.
        concurrency: how many were kept under way, in the closed loop.
        seconds: from the beginning to the end of the last answer.
        requests: how many have come to their end.
        failed: how many of these had another outcome than 200.
        unfinished: how many were due, but were given up when the load was ended early.
        requests_per_s: those that came to their end, over `seconds`.
        outcomes: how many had each HTTP status, or no answer and why.
        latency_ms: of all that came to their end, from when they were due; empty when there were none.
        histogram_ms: of the same latencies.
        held_back: how many were sent late, since too many others were under way.
        longest_delay_ms: how late a request was sent at most.
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

    @classmethod
    def of(cls, results: Results, rate: float | None, concurrency: int | None) -> Self:
        """Count and measure what there is."""
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
        )

    @property
    def good(self) -> bool:
        """There were requests, and all were answered with 200."""
        return self.requests > 0 and not (self.failed or self.unfinished)

    def text(self) -> str:
        """Return the figures for a terminal."""
        speed = f"{self.requests_per_s:.1f} a second"
        lines = [f"{self.requests} requests in {self.seconds:.1f} s: {speed}, {self.failed} failed"]
        lines += [f"  {outcome}: {count}" for outcome, count in self.outcomes.items()]
        if self.unfinished:
            lines.append(f"  given up: {self.unfinished}")
        if self.latency_ms:
            shown = ", ".join(f"{name} {ms:.0f} ms" for name, ms in self.latency_ms.items())
            lines.append(f"  latency: {shown}")
        return "\n".join([*lines, f"  {self.load}{self._punctuality()}", *self._bars()])

    @property
    def load(self) -> str:
        """How the requests were begun, in words."""
        if self.rate is None:
            return f"closed loop, {self.concurrency} at once"
        return f"open loop, {self.rate:g} a second"

    def _punctuality(self) -> str:
        if self.rate is None:
            return ""
        late = f"at most {self.longest_delay_ms:.0f} ms late"
        if self.held_back:
            return f": {self.held_back} had to wait, since {MOST_UNDER_WAY} were under way, and were sent {late}"
        return f": each was sent {late}"

    def _bars(self) -> Iterator[str]:
        most = max((bucket.count for bucket in self.histogram_ms), default=0)
        for bucket in self.histogram_ms:
            bar = "#" * round(bucket.count / most * BAR_WIDTH)
            yield f"  {bucket.low:8.1f} to {bucket.high:7.1f} ms  {bar:{BAR_WIDTH}}  {bucket.count}"
