"""`POST /predict`: from the upload to the most likely classes."""

import time

from flask import Blueprint, Response, jsonify, request

from http_server.wsgi import CLIENT_GONE
from jobs.client import JobClient
from jobs.protocol import JobResult, Prediction
from pictures.cell_pool import CellPool
from settings import Settings
from telemetry.web_metrics import WebMetrics
from web.access import Access
from web.request_scope import current_request
from web.result_cache import ResultCache
from web.uploads import uploaded_picture


def create_predict(
    settings: Settings, jobs: JobClient, cells: CellPool, cache: ResultCache, metrics: WebMetrics
) -> Blueprint:
    """Return the route that classifies a picture."""
    blueprint = Blueprint("predict", __name__)
    access = Access(settings)

    @blueprint.post("/predict")
    def predict() -> Response:
        access.check(request.headers.get("Authorization", ""), request.remote_addr or "")
        upload = uploaded_picture(settings.max_upload_bytes)
        deadline = time.monotonic() + settings.request_timeout_s
        name = cache.name(upload)
        if cache.enabled and (cached := _cached(name)):
            return cached
        jobs.check_admission()
        return _computed(name, upload, deadline)

    def _cached(name: str) -> Response | None:
        record = current_request()
        result = cache.find(name)
        record.cache = "hit" if result else "miss"
        if result is None:
            return None
        response = jsonify(**_answer(result), cached=True)
        response.headers["Server-Timing"] = f"cache;desc=hit, total;dur={record.seconds * 1000:.1f}"
        return response

    def _computed(name: str, upload: bytes, deadline: float) -> Response:
        record = current_request()
        started = time.perf_counter()
        client_gone = request.environ.get(CLIENT_GONE, _never)
        pixels = cells.decode(upload, client_gone)
        queued = time.perf_counter()
        record.decoding = (started, queued)
        result = jobs.classify(pixels, record.id, deadline, client_gone, record.traceparent)
        decode_s, wait_s = queued - started, time.perf_counter() - queued
        metrics.classified(decode_s, wait_s, result)
        cache.store(name, result)
        response = jsonify(**_answer(result))
        response.headers["Server-Timing"] = _server_timing(decode_s, wait_s, result)
        return response

    return blueprint


def _answer(result: JobResult) -> dict[str, object]:
    return {
        "success": True,
        "id": current_request().id,
        "model": result.model,
        "precision": result.precision,
        "predictions": [_prediction(each) for each in result.predictions],
    }


def _prediction(prediction: Prediction) -> dict[str, object]:
    """Return a class without what its worker did not tell, because it is of an earlier version."""
    return {name: value for name, value in vars(prediction).items() if value is not None}


def _never() -> bool:
    return False


def _server_timing(decode_s: float, wait_s: float, result: JobResult) -> str:
    """Tell where the time went, in milliseconds: https://www.w3.org/TR/server-timing/.

    `queue` is all of the wait that was not inference: in Redis, on the way, and for the batch to start.
    """
    parts = {
        "decode": decode_s,
        "queue": wait_s - result.inference_s,
        "inference": result.inference_s,
        "total": current_request().seconds,
    }
    return ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in parts.items())
