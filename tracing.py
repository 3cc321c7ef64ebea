"""OpenTelemetry spans of a request, across the processes that work on it; imported only where TRACING=otel.

The web server's spans are the request and the decoding; a worker adds the wait in the queue and the inference, under
the request that the job's `traceparent` names. The exporter reads OpenTelemetry's own variables, such as
OTEL_EXPORTER_OTLP_ENDPOINT.
"""

import time
from collections.abc import Sequence

from flask import Flask, Response, g, request
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from job_protocol import Job
from web_metrics import PROBES, route

TRACER = "picture-classifier"


def otlp_provider(role: str, name: str) -> TracerProvider:
    """Return what sends spans to a collector, from a thread of its own; to be made after any fork.

    Args:
        role: `web` or `worker`, of which the service's name is made, unless OTEL_SERVICE_NAME is set.
        name: this process's name in the log.
    """
    resource = Resource({"service.name": f"picture-classifier-{role}", "service.instance.id": name})
    provider = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def trace_requests(app: Flask, provider: TracerProvider) -> None:
    """Make a span of every request, but of no probe, and pass it on to the worker as the job's parent."""
    tracer = provider.get_tracer(TRACER)

    @app.before_request
    def begin() -> None:
        if request.path in PROBES:
            return
        attributes = {
            "http.request.method": request.method,
            "http.route": route(),
            "url.path": request.path,
            "request.id": g.id,
        }
        parent = _parent(g.traceparent)
        g.span = tracer.start_span(f"{request.method} {route()}", parent, SpanKind.SERVER, attributes)
        g.traceparent = _traceparent(g.span)

    @app.after_request
    def describe(response: Response) -> Response:
        if "span" in g:
            g.span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 500:
                g.span.set_status(Status(StatusCode.ERROR))
            if "decoding" in g:
                start, end = (_wall_ns(moment) for moment in g.decoding)
                decode = tracer.start_span("decode", trace.set_span_in_context(g.span, Context()), start_time=start)
                decode.end(end)
        return response

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        if span := g.pop("span", None):
            span.end()


class BatchSpans:
    """Makes the worker's spans, of jobs that belong to a trace."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(TRACER)

    def inferred(self, batch: Sequence[Job], seconds: float) -> None:
        """Make the spans of a batch that the network has just classified."""
        end = time.time_ns()
        start = end - int(seconds * 1e9)
        for job in batch:
            self._inference(job, len(batch), start, end)

    def failed(self, job: Job, seconds: float) -> None:
        """Make the spans of a job on which the network has failed."""
        end = time.time_ns()
        self._inference(job, 1, end - int(seconds * 1e9), end, Status(StatusCode.ERROR))

    def _inference(self, job: Job, batch_size: int, start: int, end: int, status: Status | None = None) -> None:
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
    """Return the place under which a span belongs; the root of a new trace where nobody has begun one."""
    if traceparent is None:
        return Context()
    _, trace_id, span_id, flags = traceparent.split("-")
    context = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(NonRecordingSpan(context), Context())


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _wall_ns(moment: float) -> int:
    """Turn a reading of `time.perf_counter` into time."""
    return time.time_ns() - int((time.perf_counter() - moment) * 1e9)
