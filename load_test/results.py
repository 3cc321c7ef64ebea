"""What the threads of a load have seen."""

import threading
from dataclasses import dataclass, field
from typing import NamedTuple

GOOD = "200"


class Sample(NamedTuple):
    """One request that has come to its end.

    Attributes:
        due_s: when it was to be sent, in seconds since the load began.
        delay_s: how much later than that it was sent.
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
        samples: those that have come to their end.
        begun: how many were due.
        held_back: how many of these could not be sent in time, since too many others were under way.
        failed: how many of the samples had another outcome than 200.
    """

    samples: list[Sample] = field(default_factory=list)
    begun: int = 0
    held_back: int = 0
    failed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def under_way(self) -> int:
        """How many were due and have not come to their end."""
        return self.begun - len(self.samples)

    def add(self, sample: Sample) -> None:
        """Count one that has come to its end."""
        with self._lock:
            self.samples.append(sample)
            self.failed += sample.outcome != GOOD
