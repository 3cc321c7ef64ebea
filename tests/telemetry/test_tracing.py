"""OpenTelemetry: the client's trace continues through the web server to the worker."""

import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, StatusCode

from benchmarks.services import Services, wait_until
from errors import JobFailed
from jobs.protocol import Job
from listener import listen
from settings import Settings
from telemetry import tracing
from telemetry.tracing import BatchTracer, RequestTracer, otlp_provider
from tests.conftest import PIXELS, MakeSettings, picture
from tests.jobs.test_trace_context import SPAN, TRACE, VALID
from tests.support.http_stub import serving
from tests.support.stub_queue import StubQueue, stub_app


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(web_processes=1)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


class Web:
    """A traced app in front of a stub of the queue, and the spans that it exports."""

    def __init__(self, settings: Settings, provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
        self.queue = StubQueue()
        self.client = stub_app(settings, self.queue, RequestTracer(provider)).test_client()
        self._exporter = exporter

    def post(self, upload: bytes = b"", **headers: str) -> dict[str, ReadableSpan]:
        self.client.post("/predict", data=upload or picture(), content_type="image/png", headers=headers)
        return {span.name: span for span in self._exporter.get_finished_spans()}


@pytest.fixture
def web(settings: Settings, provider: TracerProvider, exporter: InMemorySpanExporter) -> Web:
    return Web(settings, provider, exporter)


def ids(context: SpanContext | None) -> tuple[str, str]:
    assert context
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_a_requests_span_belongs_to_the_clients_trace_and_is_the_parent_of_its_job(web: Web) -> None:
    spans = web.post(traceparent=VALID)
    request, decode = spans["POST /predict"], spans["decode"]
    assert ids(request.parent) == (TRACE, SPAN)
    assert ids(decode.parent) == ids(request.context)
    assert web.queue.traceparents == [f"00-{TRACE}-{ids(request.context)[1]}-01"]
    assert attributes(request)["http.response.status_code"] == 200
    assert request.status.status_code is StatusCode.UNSET
    assert request.start_time and decode.start_time and decode.end_time and request.end_time  # noqa: PT018
    assert request.start_time <= decode.start_time <= decode.end_time <= request.end_time


def test_without_a_valid_header_a_request_starts_a_new_trace(web: Web) -> None:
    request = web.post(traceparent=VALID.upper())["POST /predict"]
    assert request.parent is None
    assert ids(request.context)[0] != TRACE


def test_an_unsampled_trace_is_passed_on_without_spans(web: Web) -> None:
    assert web.post(traceparent=VALID[:-2] + "00") == {}
    assert web.queue.traceparents[0].startswith(f"00-{TRACE}-")  # type: ignore[union-attr]
    assert web.queue.traceparents[0].endswith("-00")  # type: ignore[union-attr]


def test_where_opentelemetry_is_disabled_requests_are_answered_and_the_clients_trace_goes_on(
    settings: Settings, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    provider = TracerProvider()
    web = Web(settings, provider, exporter)
    web.post(traceparent=VALID)
    web.post()
    assert web.queue.traceparents == [VALID, None]
    job = Job("1", PIXELS, 1e9, queued_at=1e8, traceparent=VALID)
    BatchTracer(provider).inferred([job], 0.5)
    BatchTracer(provider).failed(job, 0.5)


def test_only_failures_of_the_service_are_errors(web: Web) -> None:
    assert web.post(b"no picture")["POST /predict"].status.status_code is StatusCode.UNSET
    web.queue.error = JobFailed("broken")
    assert web.post()["POST /predict"].status.status_code is StatusCode.ERROR


def test_probes_and_scrapes_are_not_traced(web: Web, exporter: InMemorySpanExporter) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert web.client.get(path).status_code == 200
    assert exporter.get_finished_spans() == ()


def test_a_worker_traces_the_wait_and_the_inference_of_jobs_that_belong_to_a_trace(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    job = Job("1", PIXELS, 1e9, queued_at=1e8, traceparent=VALID)
    BatchTracer(provider).inferred([job, Job("2", PIXELS, 1e9)], 0.5)
    queue, inference = exporter.get_finished_spans()
    assert (queue.name, inference.name) == ("queue", "inference")
    assert ids(queue.parent) == ids(inference.parent) == (TRACE, SPAN)
    assert queue.start_time == 1e8 * 1e9
    assert queue.end_time == inference.start_time
    assert attributes(inference) == {"request.id": "1", "attempt": 1, "batch.size": 2}


def test_a_clock_that_is_ahead_gives_no_negative_durations(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    job = Job("1", PIXELS, 1e9, queued_at=9e9, traceparent=VALID)
    BatchTracer(provider).inferred([job, replace(job, queued_at=None)], 0.5)
    for span in exporter.get_finished_spans():
        assert span.start_time and span.end_time and span.start_time <= span.end_time  # noqa: PT018


def test_a_failed_inference_is_an_error_in_the_trace(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    BatchTracer(provider).failed(Job("1", PIXELS, 1e9, traceparent=VALID), 0.5)
    status = {span.name: span.status.status_code for span in exporter.get_finished_spans()}
    assert status == {"queue": StatusCode.UNSET, "inference": StatusCode.ERROR}


class Collector(ThreadingHTTPServer):
    """An OTLP receiver that keeps the spans by the names of their service and their own."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: dict[tuple[str, str], tuple[str, str, str]] = {}


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        export = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in export.resource_spans:
            service = {item.key: item.value.string_value for item in resource.resource.attributes}["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    names = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    self.server.spans[service, span.name] = names
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with serving(Collector()) as server:
        yield server


def test_one_trace_goes_through_all_processes_and_into_their_logs(services: Services, collector: Collector) -> None:
    otel = {
        "TRACING": "otel",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_address[1]}",
        "OTEL_BSP_SCHEDULE_DELAY": 50,
    }
    worker = services.start_worker(**otel)
    web_server, url = services.start_web_server(**otel)
    upload = {"data": picture(), "headers": {"Content-Type": "image/png", "traceparent": VALID}}
    assert requests.post(f"{url}/predict", timeout=30, **upload).status_code == 200  # type: ignore[arg-type]
    web, worker_spans = "picture-classifier-web", "picture-classifier-worker"
    names = {(web, "POST /predict"), (web, "decode"), (worker_spans, "queue"), (worker_spans, "inference")}
    wait_until(lambda: set(collector.spans) == names)
    assert {trace for trace, _, _ in collector.spans.values()} == {TRACE}
    _, request, parent = collector.spans[web, "POST /predict"]
    assert parent == SPAN
    assert {parent for (_, name), (_, _, parent) in collector.spans.items() if name != "POST /predict"} == {request}
    assert f"trace_id={TRACE}" in web_server.output
    assert worker.output.count(f"trace_id={TRACE}") == 2


def test_a_process_that_ends_does_not_send_all_its_spans_to_a_collector_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "LAST_EXPORTS_S", 0.1)
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    with listen("127.0.0.1", 0) as hanging:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{hanging.getsockname()[1]}")
        provider = otlp_provider("web", "w1")
        for name in ("first", "second", "third"):
            provider.get_tracer("test").start_span(name).end()
        provider.shutdown()
        assert connections(hanging) < 3


def connections(listener: socket.socket) -> int:
    """Count the connections that a socket has taken."""
    listener.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


def test_a_trace_can_be_followed_in_the_logs_without_opentelemetry(services: Services) -> None:
    worker = services.start_worker(PYTHONPROFILEIMPORTTIME=1)
    web_server, url = services.start_web_server(LOG_LEVEL="debug", PYTHONPROFILEIMPORTTIME=1)
    upload = {"data": picture(), "headers": {"Content-Type": "image/png", "traceparent": VALID}}
    request_id = requests.post(f"{url}/predict", timeout=30, **upload).json()["id"]  # type: ignore[arg-type]
    wait_until(lambda: "request_answered" in web_server.output)
    lines = [line for log in (web_server.output, worker.output) for line in log.splitlines() if f"id={TRACE}" in line]
    assert [line.split()[3] for line in lines] == ["job_queued", "request_answered", "job_claimed", "job_done"]
    assert all(f"id={request_id} trace_id={TRACE}" in line for line in lines)
    # redis-py imports parts of OpenTelemetry if they are installed, but only our code imports the exporter.
    assert "opentelemetry.exporter" not in web_server.output + worker.output


def test_tracing_without_its_packages_is_an_invalid_setting(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_settings(tracing="otel").tracing == "otel"
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    with pytest.raises(ValueError, match=r"pip install -r requirements-tracing.txt"):
        make_settings(tracing="otel")
