"""The Flask app: HTTP in front of the queue. It decodes pictures, but never touches a network."""

import socket
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus

from flask import Flask, Response, g, jsonify, request
from PIL import Image
from werkzeug.middleware.proxy_fix import ProxyFix

from access import Access
from answer_cache import AnswerCache
from api_docs import api_docs
from decoding import Decoder
from errors import ServiceError
from job_protocol import Answer
from job_queue import JobQueue
from logger import Level, log
from metrics import WebMetrics
from page import page_blueprint
from problems import answer_errors
from security_headers import SECURITY_HEADERS
from settings import Settings
from trace_context import parse_traceparent, trace_fields
from uploads import UploadRequest, drain_upload, uploaded_picture
from web_metrics import PROBES, serve_metrics

# What multipart adds around a picture.
FORM_OVERHEAD_BYTES = 64 * 1024
LOGGED_PATH_CHARS = 100


def create_app(settings: Settings, jobs: JobQueue, metrics: WebMetrics | None = None) -> Flask:
    """Build the Flask app around its parts."""
    app = Flask(__name__)
    metrics = metrics or WebMetrics()
    app.request_class = UploadRequest
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = settings.max_upload_bytes + FORM_OVERHEAD_BYTES
    # A photograph that was sent as a text field by mistake shall be told so, like any other.
    app.config["MAX_FORM_MEMORY_SIZE"] = app.config["MAX_CONTENT_LENGTH"]
    # Our own limit is the exact one. Pillow's is behind it, since some of its readers of headers allocate pixels.
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, settings.max_image_pixels)
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies)  # type: ignore[method-assign]
    serve_metrics(app, metrics)
    _follow_requests(app)
    answer_errors(app, settings)
    _serve_health(app, jobs)
    _serve_predictions(app, settings, jobs, Access(settings), AnswerCache(settings, jobs.workers), metrics)
    app.register_blueprint(api_docs())
    app.register_blueprint(page_blueprint(settings))
    return app


def _serve_predictions(
    app: Flask, settings: Settings, jobs: JobQueue, access: Access, cache: AnswerCache, metrics: WebMetrics
) -> None:
    decoder = Decoder(settings)

    @app.post("/predict")
    def predict() -> Response:
        access.check(request.headers.get("Authorization", ""), request.remote_addr or "")
        if not cache.enabled:  # else what is known is answered even while the queue refuses
            jobs.check_open()
        upload = uploaded_picture(settings.max_upload_bytes)
        deadline = time.monotonic() + settings.request_timeout_s
        picture = cache.name(upload)
        if cache.enabled:
            known = cache.find(picture)
            g.cache = "hit" if known else "miss"
            metrics.cache_asked(hit=known is not None)
            if known:
                return _known_answer(known)
            jobs.check_open()
        received = time.perf_counter()
        client_gone = _connection_watch()
        pixels = decoder.pixels(upload, client_gone)
        queued = time.perf_counter()
        g.decoding = (received, queued)
        answer = jobs.classify(pixels, g.id, deadline, client_gone, g.traceparent)
        decode_s, wait_s = queued - received, time.perf_counter() - queued
        metrics.classified(decode_s, wait_s, answer)
        cache.keep(picture, answer)
        response = jsonify(success=True, id=g.id, model=answer.model, predictions=answer.predictions)
        response.headers["Server-Timing"] = _server_timing(decode_s, wait_s, answer)
        return response


def _known_answer(answer: Answer) -> Response:
    response = jsonify(success=True, id=g.id, model=answer.model, predictions=answer.predictions, cached=True)
    response.headers["Server-Timing"] = f"cache;desc=hit, total;dur={_ms_since(g.started):.1f}"
    return response


def _serve_health(app: Flask, jobs: JobQueue) -> None:
    @app.get("/livez")
    def livez() -> Response:
        return jsonify(alive=True)

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        try:
            workers = jobs.workers()
            reason = None if workers else "No worker is alive."
        except ServiceError as error:
            workers, reason = [], error.detail
        if reason:
            return jsonify(ready=False, reason=reason, workers=[]), HTTPStatus.SERVICE_UNAVAILABLE
        return jsonify(ready=True, workers=workers), HTTPStatus.OK


def _follow_requests(app: Flask) -> None:
    """Give every request an id of our own, in its answer and in its log lines."""

    @app.before_request
    def begin() -> None:
        g.id = uuid.uuid4().hex
        g.started = time.perf_counter()
        g.traceparent = parse_traceparent(request.headers.get("traceparent"))

    @app.after_request
    def finish(response: Response) -> Response:
        drain_upload()
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)  # a page may have a policy of its own
        response.headers["X-Request-ID"] = g.id
        fields = {"method": request.method, "path": request.path[:LOGGED_PATH_CHARS], "status": response.status_code}
        if "cache" in g:
            fields["cache"] = g.cache
        level: Level = "debug" if request.path in PROBES else "info"
        log("request_answered", level=level, id=g.id, **trace_fields(g.traceparent), **fields, ms=_ms_since(g.started))
        return response


def _connection_watch() -> Callable[[], bool]:
    """Return a function that tells whether the client has hung up; only gunicorn lets us see its socket."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")

    def gone() -> bool:
        try:
            return connection is not None and connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    return gone


def _server_timing(decode_s: float, wait_s: float, answer: Answer) -> str:
    """Tell where the time went: https://www.w3.org/TR/server-timing/, in milliseconds.

    `queue` is all of the wait that was not inference: in Redis, on the way, and for the batch to begin.
    """
    parts = {
        "decode": decode_s * 1000,
        "queue": (wait_s - answer.inference_s) * 1000,
        "inference": answer.inference_s * 1000,
        "total": _ms_since(g.started),
    }
    return ", ".join(f"{name};dur={ms:.1f}" for name, ms in parts.items())


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
