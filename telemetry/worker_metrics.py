"""The metrics of a worker, for Prometheus."""

from collections.abc import Sequence
from wsgiref.simple_server import WSGIServer

from jobs.observers import Drop, JobConsumerObserver
from jobs.protocol import Job
from telemetry.buckets import BATCH_BUCKETS, WORK_BUCKETS_S
from telemetry.metrics_server import start_metrics_server

OUTCOMES = ("done", "failed", *Drop)


class WorkerMetrics(JobConsumerObserver):
    """Counts for one worker."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        jobs = Counter("classifier_worker_jobs_total", "Jobs taken.", ("outcome",), registry=registry)
        # All of them exist, with 0, before anything happens.
        self._jobs = {outcome: jobs.labels(outcome) for outcome in OUTCOMES}
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

    def dropped(self, reason: Drop) -> None:
        """Count a job that had expired or was malformed."""
        self._jobs[reason].inc()

    def serve(self, host: str, port: int) -> WSGIServer:
        """Serve the metrics on a port of their own, from a thread of its own.

        Raises:
            OSError: the port is taken, or the host is not one of this machine's.
        """
        from prometheus_client import make_wsgi_app

        return start_metrics_server(host, port, make_wsgi_app(self.registry))
