"""The metrics of a web server, for Prometheus.

prometheus_client is imported when the first metrics are made, not with this file: at its import it decides, by an
environment variable, whether several processes share their metrics. See `multiprocess.shared_metrics`.
"""

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from errors import ServiceUnavailable
from jobs.observers import Delivery, JobClientObserver, JobState, QueueState
from jobs.protocol import JobResult
from pictures.observers import CellEnd, DecodingObserver, Lane
from telemetry.buckets import BATCH_BUCKETS, REQUEST_BUCKETS_S, WORK_BUCKETS_S
from telemetry.multiprocess import are_shared
from telemetry.request_record import UNCOUNTED, RequestRecord
from telemetry.web_counts import WebCounts, select_counts

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram
    from prometheus_client.core import GaugeMetricFamily

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# A comment in that format, for people who wonder about counts that go up and down.
OWN_COUNTS = b"# These are the counts of one process: there was no room for files that all could share.\n"
# What the HTTP server answers by itself.
REFUSALS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
)
METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}


class WebMetrics(JobClientObserver, DecodingObserver):
    """Counts for all processes of a web server together, inside of `shared_metrics`.

    Args:
        queue_state: called at each scrape; returns None when Redis is away, and raises ServiceUnavailable when it does
            not tell.

    Attributes:
        shared: whether the counts are those of all processes; otherwise of this one.
    """

    def __init__(self, queue_state: Callable[[], QueueState | None] | None = None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
        from prometheus_client.multiprocess import MultiProcessCollector

        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._counts = CollectorRegistry()
        self._queue = CollectorRegistry()
        self.shared = are_shared()
        if self.shared:
            MultiProcessCollector(self._counts)  # type: ignore[no-untyped-call]
        if queue_state:
            self._queue.register(_QueueCollector(queue_state))
        registry = None if self.shared else self._counts

        def seconds(
            name: str, what: str, labels: Sequence[str] = (), buckets: Sequence[float] = REQUEST_BUCKETS_S
        ) -> "Histogram":
            return Histogram(f"classifier_{name}_duration_seconds", what, labels, buckets=buckets, registry=registry)

        def count(name: str, what: str, labels: Sequence[str]) -> "Counter":
            return Counter(f"classifier_{name}_total", what, labels, registry=registry)

        self._requests = count("http_requests", "Requests answered.", ("method", "endpoint", "status"))
        self._request_s = seconds("http_request", "Time from a request's arrival to its answer.", ("endpoint",))
        self._in_progress = Gauge(
            "classifier_http_requests_in_progress",
            "Requests in progress.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        refused = count("http_refused", "Requests refused before they were whole or valid HTTP.", ("status",))
        self._refused = {status: refused.labels(status.value) for status in REFUSALS}
        self._decode_s = seconds(
            "decode", "Decoding a request's pictures, and waiting for cells.", buckets=WORK_BUCKETS_S
        )
        waits = seconds("decode_wait", "Wait for a decoding process.", ("lane",), WORK_BUCKETS_S)
        self._decode_wait_s = {lane: waits.labels(lane) for lane in Lane}
        cells = seconds("decode_cell", "Time in a decoding process.", ("lane",), WORK_BUCKETS_S)
        self._decode_cell_s = {lane: cells.labels(lane) for lane in Lane}
        self._decoded_pixels = count("decoded_pixels", "Pixels of decoded pictures, by their headers.", ())
        died = count("cells_died", "Decoding processes that ended in the middle of a picture.", ("lane", "reason"))
        self._cells_died = {(lane, end): died.labels(lane, end) for lane in Lane for end in CellEnd}
        self._queue_s = seconds("queue", "Time from a request's push to its results, without inference.")
        self._inference_s = seconds("inference", "The network's time for a picture's batch.", buckets=WORK_BUCKETS_S)
        self._batch_size = Histogram(
            "classifier_request_batch_size", "Pictures in a picture's batch.", buckets=BATCH_BUCKETS, registry=registry
        )
        results = count("results", "Results, by how the web server received them.", ("via",))
        self._results = {via: results.labels(via) for via in Delivery}
        requeued = count("jobs_requeued", "Jobs pushed again.", ("reason",))
        self._requeued = {state: requeued.labels(state) for state in (JobState.LOST, JobState.ORPHANED)}
        cache = count("cache_requests", "Pictures that the result cache knew, and did not.", ("outcome",))
        self._cache = {outcome: cache.labels(outcome) for outcome in ("hit", "miss")}

    def started(self, record: RequestRecord) -> None:
        """Count a request as in progress, unless it reads the counts."""
        if record.path not in UNCOUNTED:
            self._in_progress.inc()

    def finished(self, record: RequestRecord) -> None:
        """Count a request as answered."""
        if record.path in UNCOUNTED:
            return
        self._in_progress.dec()
        # A client may send any word as method.
        method = record.method if record.method in METHODS else "other"
        self._requests.labels(method, record.route, record.status).inc()
        self._request_s.labels(record.route).observe(record.seconds)
        for outcome, pictures in record.cache.items():
            self._cache[outcome].inc(pictures)

    def refused(self, status: HTTPStatus) -> None:
        """Count a request that the HTTP server answered by itself."""
        self._refused[status].inc()

    def classified(self, decode_s: float, wait_s: float, results: Sequence[JobResult]) -> None:
        """Record where a request's time went; `wait_s` is from the push of its pictures to their results."""
        self._decode_s.observe(decode_s)
        self._queue_s.observe(max(0.0, wait_s - max(result.inference_s for result in results)))
        for result in results:
            self._inference_s.observe(result.inference_s)
            self._batch_size.observe(result.batch_size)

    def decoded(self, lane: Lane, wait_s: float, decode_s: float) -> None:
        """Record how long a picture waited for a decoding process, and was in it."""
        self._decode_wait_s[lane].observe(wait_s)
        self._decode_cell_s[lane].observe(decode_s)

    def picture_decoded(self, picture_pixels: int) -> None:
        """Count a picture's pixels."""
        self._decoded_pixels.inc(picture_pixels)

    def cell_died(self, lane: Lane, end: CellEnd) -> None:
        """Count a decoding process that ended in the middle of a picture."""
        self._cells_died[lane, end].inc()

    def delivered(self, via: Delivery) -> None:
        """Count a result."""
        self._results[via].inc()

    def requeued(self, state: JobState) -> None:
        """Count a job that was pushed again."""
        self._requeued[state].inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus's format, of CONTENT_TYPE."""
        from prometheus_client import generate_latest

        return (b"" if self.shared else OWN_COUNTS) + generate_latest(self._counts) + generate_latest(self._queue)

    def counts(self) -> WebCounts:
        """Return what the status page shows, without asking Redis."""
        return select_counts(self._counts.collect())


class _QueueCollector:
    """Asks Redis at each scrape; while it does not tell the queue's state, only whether it answers is told."""

    def __init__(self, queue_state: Callable[[], QueueState | None]) -> None:
        self._queue_state = queue_state

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        from prometheus_client.core import GaugeMetricFamily as Gauge

        try:
            state = self._queue_state()
            answers = state is not None
        except ServiceUnavailable:
            state, answers = None, True
        yield Gauge("classifier_redis_up", "1 when Redis answers, else 0.", answers)
        if state:
            yield Gauge("classifier_queue_depth", "Jobs waiting in the queue.", state.depth)
            yield Gauge("classifier_queue_capacity", "Jobs that the queue accepts.", state.capacity)
            yield Gauge("classifier_workers_alive", "Workers with a heartbeat.", state.workers)
