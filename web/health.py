"""Probes and metrics: `/livez`, `/readyz` and `/metrics`."""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from errors import ServiceError
from jobs.monitor import QueueMonitor
from telemetry.request_record import METRICS_PATH
from telemetry.web_metrics import CONTENT_TYPE, WebMetrics


def create_health(monitor: QueueMonitor, metrics: WebMetrics) -> Blueprint:
    """Return the routes for whoever monitors the service."""
    health = Blueprint("health", __name__)

    @health.get("/livez")
    def livez() -> Response:
        return jsonify(alive=True)

    @health.get("/readyz")
    def readyz() -> tuple[Response, int]:
        try:
            workers = monitor.workers()
            reason = None if workers else "No worker is alive."
        except ServiceError as error:
            workers, reason = [], error.detail
        if reason:
            return jsonify(ready=False, reason=reason, workers=[]), HTTPStatus.SERVICE_UNAVAILABLE
        return jsonify(ready=True, workers=workers), HTTPStatus.OK

    @health.get(METRICS_PATH)
    def scrape() -> Response:
        return Response(metrics.text(), content_type=CONTENT_TYPE)

    return health
