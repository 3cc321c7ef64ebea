"""What is known about one HTTP request while it is served: for its answer, the log, the metrics and the traces."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.trace_context import trace_fields
from logger import LogFields

if TYPE_CHECKING:
    from opentelemetry.trace import Span

METRICS_PATH = "/metrics"
STATUS_PATH = "/status.json"
# They read the counts, and would only count themselves.
UNCOUNTED = {METRICS_PATH, STATUS_PATH}
# Requested every few seconds by whoever monitors the service.
PROBES = {"/livez", "/readyz"} | UNCOUNTED


@dataclass
class RequestRecord:
    """One request.

    Attributes:
        id: ours, in the answer and all log lines.
        path: as the client sent it.
        route: the pattern that the path matches, of which there are few; `unmatched` for none.
        traceparent: the trace to which it belongs, passed on to the worker.
        started: when it came, in seconds of `time.perf_counter`.
        pictures: how many it has; 0 until that is known.
        failed: how many of its pictures got an error, where it is answered with a list.
        cache: how many of its pictures the result cache knew (`hit`) and did not (`miss`); empty when it is not asked.
        timing: how long each stage of computing its pictures took, in seconds; empty when none was computed.
        decoding: when decoding started and ended, in seconds of `time.perf_counter`.
        status: of the answer; 0 until there is one.
        span: OpenTelemetry's, where requests are traced.
    """

    id: str
    method: str
    path: str
    route: str
    traceparent: str | None = None
    started: float = field(default_factory=time.perf_counter)
    pictures: int = 0
    failed: int = 0
    cache: Counter[str] = field(default_factory=Counter)
    timing: dict[str, float] = field(default_factory=dict)
    decoding: tuple[float, float] | None = None
    status: int = 0
    span: "Span | None" = None

    @property
    def seconds(self) -> float:
        """The time since it came."""
        return time.perf_counter() - self.started

    @property
    def log_fields(self) -> LogFields:
        """The fields that identify the request in the log."""
        return LogFields(id=self.id) | trace_fields(self.traceparent)
