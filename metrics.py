"""What Prometheus is told: the one file that knows the metrics' names, labels and buckets.

prometheus_client is imported when the first metrics are made, not with this file: at its import it decides, by an
environment variable, whether several processes share their metrics. See `shared_by_processes`.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from job_protocol import Answer, Job
from queue_state import QueueState

if TYPE_CHECKING:
    from prometheus_client import Counter
    from prometheus_client.core import GaugeMetricFamily

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
WORK_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_by_processes() -> Iterator[None]:
    """Let the processes forked inside of this share their metrics, through a folder that is gone at the end."""
    parent = os.getpid()
    folder = os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="classifier-metrics-")
    try:
        yield
    finally:
        # The children leave by the same way, when they end.
        if os.getpid() == parent:
            del os.environ[FOLDER_VARIABLE]
            shutil.rmtree(folder, ignore_errors=True)


def forget_process(pid: int) -> None:
    """Take a process that has ended out of what tells of the present; what it has counted remains."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)  # type: ignore[no-untyped-call]


class WebMetrics:
    """The metrics of a web server: all of its processes together, inside of `shared_by_processes`.

    Args:
        queue_state: asked at each scrape; returns None when Redis is away.
    """

    def __init__(self, queue_state: Callable[[], QueueState | None] | None = None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
        from prometheus_client.multiprocess import MultiProcessCollector

        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        shared = FOLDER_VARIABLE in os.environ
        if shared:
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]
        if queue_state:
            self._registry.register(_QueueCollector(queue_state))
        registry = None if shared else self._registry

        def seconds(
            name: str, what: str, labels: Sequence[str] = (), buckets: Sequence[float] = REQUEST_BUCKETS_S
        ) -> Histogram:
            return Histogram(f"classifier_{name}_duration_seconds", what, labels, buckets=buckets, registry=registry)

        def count(name: str, what: str, labels: Sequence[str]) -> Counter:
            return Counter(f"classifier_{name}_total", what, labels, registry=registry)

        self._requests = count("http_requests", "Requests answered.", ("method", "endpoint", "status"))
        self._request_s = seconds("http_request", "From a request's arrival to its answer.", ("endpoint",))
        self._in_progress = Gauge(
            "classifier_http_requests_in_progress",
            "Requests being worked on.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._decode_s = seconds("decode", "Decoding and resizing, with the wait for a core.", buckets=WORK_BUCKETS_S)
        self._queue_s = seconds("queue", "From the push to the answer, without inference.")
        self._inference_s = seconds("inference", "The network's time for a request's batch.", buckets=WORK_BUCKETS_S)
        self._batch_size = Histogram(
            "classifier_request_batch_size", "Pictures in a request's batch.", buckets=BATCH_BUCKETS, registry=registry
        )
        answers = count("answers", "Answers, by how the web server learned of them.", ("way",))
        self._answers = _children(answers, "notified", "polled")
        repushed = count("jobs_repushed", "Jobs pushed again.", ("reason",))
        self._repushed = _children(repushed, "lost", "orphaned")
        cache = count("cache_requests", "Requests that the cache could answer, and could not.", ("outcome",))
        self._cache = _children(cache, "hit", "miss")

    def request_begun(self) -> None:
        """Count a request as being worked on."""
        self._in_progress.inc()

    def request_ended(self) -> None:
        """Count it no longer."""
        self._in_progress.dec()

    def answered(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            method: of HTTP; what is none of those in use counts as `other`, as a client may send any word.
            endpoint: the pattern of the path, of which there are few.
            status: of HTTP.
            seconds: since the request came.
        """
        self._requests.labels(method if method in METHODS else "other", endpoint, status).inc()
        self._request_s.labels(endpoint).observe(seconds)

    def classified(self, decode_s: float, wait_s: float, answer: Answer) -> None:
        """Tell where the time of a picture went, `wait_s` being from its push to its answer."""
        self._decode_s.observe(decode_s)
        self._queue_s.observe(max(0.0, wait_s - answer.inference_s))
        self._inference_s.observe(answer.inference_s)
        self._batch_size.observe(answer.batch_size)

    def heard(self, way: str) -> None:
        """Count an answer that was `notified` or `polled`."""
        self._answers[way].inc()

    def repushed(self, reason: str) -> None:
        """Count a job that was pushed again since it was `lost` or `orphaned`."""
        self._repushed[reason].inc()

    def cache_asked(self, hit: bool) -> None:
        """Count a request that the cache was asked for."""
        self._cache["hit" if hit else "miss"].inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus's format, of CONTENT_TYPE."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)


class WorkerMetrics:
    """The metrics of one worker."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        jobs = Counter("classifier_worker_jobs_total", "Jobs taken.", ("outcome",), registry=registry)
        self._jobs = _children(jobs, "done", "failed", "expired", "malformed")
        self._inference_s = Histogram(
            "classifier_worker_inference_duration_seconds",
            "The network's time for a batch.",
            buckets=WORK_BUCKETS_S,
            registry=registry,
        )
        self._batch_size = Histogram(
            "classifier_worker_batch_size", "Pictures in a batch.", buckets=BATCH_BUCKETS, registry=registry
        )

    def inferred(self, batch: Sequence[Job], seconds: float) -> None:
        """Count a batch that the network has classified."""
        self._jobs["done"].inc(len(batch))
        self._inference_s.observe(seconds)
        self._batch_size.observe(len(batch))

    def failed(self, job: Job, seconds: float) -> None:
        """Count a job on which the network has failed."""
        self._jobs["failed"].inc()

    def dropped(self, outcome: str) -> None:
        """Count a job that had `expired` or was `malformed`."""
        self._jobs[outcome].inc()

    def serve(self, host: str, port: int) -> None:
        """Serve them on a port of their own, from a thread of its own.

        Raises:
            OSError: the port is taken, or the host is none of ours.
        """
        from prometheus_client import start_http_server

        start_http_server(port, host, self.registry)


class _QueueCollector:
    """Asks Redis at each scrape; while that is away, only this is told."""

    def __init__(self, queue_state: Callable[[], QueueState | None]) -> None:
        self._queue_state = queue_state

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        from prometheus_client.core import GaugeMetricFamily as Gauge

        state = self._queue_state()
        yield Gauge("classifier_redis_up", "1 when Redis answers, else 0.", state is not None)
        if state:
            yield Gauge("classifier_queue_depth", "Jobs waiting in the queue.", state.depth)
            yield Gauge("classifier_queue_capacity", "Jobs that the queue takes.", state.capacity)
            yield Gauge("classifier_workers_alive", "Workers whose heart beats.", state.workers)


def _children(counter: "Counter", *values: str) -> "dict[str, Counter]":
    """Return a counter's parts by the value of its label; they are there, with 0, before anything happens."""
    return {value: counter.labels(value) for value in values}
