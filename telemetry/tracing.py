"""OpenTelemetry spans of a request, across the processes that work on it; imported only where TRACING=otel.

The web server's spans are the request and the decoding; a worker adds the wait in the queue and the inference, below
the request that the job's `traceparent` names. The exporter reads OpenTelemetry's own variables, such as
OTEL_EXPORTER_OTLP_ENDPOINT.
"""

import time
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jobs.protocol import Job
from telemetry.request_record import PROBES, RequestRecord

TRACER = "picture-classifier"
# How long a process that ends may send what is left.
LAST_EXPORTS_S = 10
_PROPAGATOR = TraceContextTextMapPropagator()


def otlp_provider(role: str, name: str) -> TracerProvider:
    """Return what sends spans to a collector, from a thread of its own; to be made after any fork.

    Args:
        role: `web` or `worker`, part of the service's name unless OTEL_SERVICE_NAME is set.
        name: this process's name in the log.
    """
    resource = Resource({"service.name": f"picture-classifier-{role}", "service.instance.id": name})
    provider = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(_BoundedProcessor(OTLPSpanExporter()))
    return provider


class _BoundedProcessor(BatchSpanProcessor):
    """Ends in time also when the collector hangs: OpenTelemetry would export for half a minute."""

    def shutdown(self) -> None:
        self._batch_processor.shutdown(LAST_EXPORTS_S * 1000)


class RequestTracer:
    """Makes a span of every request except probes, and passes it on to the worker as the job's parent."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(TRACER)

    def started(self, record: RequestRecord) -> None:
        """Start the request's span."""
        if record.path in PROBES:
            return
        attributes = {
            "http.request.method": record.method,
            "http.route": record.route,
            "url.path": record.path,
            "request.id": record.id,
        }
        name = f"{record.method} {record.route}"
        record.span = self._tracer.start_span(name, _parent(record.traceparent), SpanKind.SERVER, attributes)
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(record.span, Context()))
        # With OTEL_SDK_DISABLED and no trace of the client there is none.
        record.traceparent = carrier.get("traceparent", record.traceparent)

    def finished(self, record: RequestRecord) -> None:
        """End the request's span, and add that of the decoding."""
        if record.span is None:
            return
        record.span.set_attribute("http.response.status_code", record.status)
        if record.pictures:
            record.span.set_attribute("pictures", record.pictures)
        if record.status >= 500:
            record.span.set_status(Status(StatusCode.ERROR))
        if record.decoding:
            start, end = (_wall_ns(moment) for moment in record.decoding)
            parent = trace.set_span_in_context(record.span, Context())
            self._tracer.start_span("decode", parent, start_time=start).end(end)
        record.span.end()


class BatchTracer:
    """Makes a worker's spans, of jobs that belong to a trace."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(TRACER)

    def inferred(self, batch: Sequence[Job], seconds: float) -> None:
        """Make the spans of a batch that the network has just classified."""
        end = time.time_ns()
        start = end - int(seconds * 1e9)
        for job in batch:
            self._trace(job, len(batch), start, end)

    def failed(self, job: Job, seconds: float) -> None:
        """Make the spans of a job on which the network has failed."""
        end = time.time_ns()
        self._trace(job, 1, end - int(seconds * 1e9), end, Status(StatusCode.ERROR))

    def _trace(self, job: Job, batch_size: int, start: int, end: int, status: Status | None = None) -> None:
        if job.traceparent is None:
            return
        parent = _parent(job.traceparent)
        attributes: dict[str, str | int] = {"request.id": job.id, "attempt": job.attempt, "batch.size": batch_size}
        # By Redis's clock, which may be ahead of this host's.
        queued = min(start, int(job.queued_at * 1e9)) if job.queued_at else start
        self._tracer.start_span("queue", parent, SpanKind.CONSUMER, attributes, start_time=queued).end(start)
        inference = self._tracer.start_span("inference", parent, attributes=attributes, start_time=start)
        if status:
            inference.set_status(status)
        inference.end(end)


def _parent(traceparent: str | None) -> Context:
    """Return the context of a span's parent; that of a new trace where there is no parent."""
    return _PROPAGATOR.extract({"traceparent": traceparent} if traceparent else {}, Context())


def _wall_ns(moment: float) -> int:
    """Convert a reading of `time.perf_counter` to wall-clock time."""
    return time.time_ns() - int((time.perf_counter() - moment) * 1e9)
