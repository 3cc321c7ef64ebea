"""What is known about one HTTP request while it is served: for its answer, the log, the metrics and the traces."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

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
        cache: whether the result cache knew the picture; None where it was not asked.
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
    cache: Literal["hit", "miss"] | None = None
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
