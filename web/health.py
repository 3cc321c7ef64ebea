"""Probes and metrics: `/livez`, `/readyz` and `/metrics`."""

from collections.abc import Sequence
from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from errors import ServiceError
from jobs.monitor import QueueMonitor
from jobs.protocol import WorkerInfo
from logger import log
from settings import Settings
from telemetry.request_record import METRICS_PATH
from telemetry.web_metrics import CONTENT_TYPE, WebMetrics
from web.fresh_copy import FreshCopy

METRICS_MAX_AGE_S = 1.0
# The name of the blueprint.
HEALTH = "health"


class CropCheck:
    """Compares how this web server crops pictures with what the workers expect.

    Args:
        crop: of this web server.
    """

    def __init__(self, crop: str) -> None:
        self._crop = crop
        self._logged: set[str] = set()

    def warnings(self, workers: Sequence[WorkerInfo]) -> list[str]:
        """Return a warning for each other way of cropping, and log it when it is new."""
        others = sorted({worker.crop for worker in workers} - {self._crop, ""})
        warnings = [
            f"This web server crops pictures by `{self._crop}`, but there are workers that expect `{other}`: give both "
            "the same MODEL, CROP_MODE and CROP_PCT."
            for other in others
        ]
        for other, warning in zip(others, warnings, strict=True):
            if other not in self._logged:
                self._logged.add(other)
                log("crops_differ", level="warning", note=warning)
        return warnings


def create_health(settings: Settings, monitor: QueueMonitor, metrics: WebMetrics) -> Blueprint:
    """Return the routes for whoever monitors the service."""
    health = Blueprint(HEALTH, __name__)
    crops = CropCheck(str(settings.crop))
    # Making them takes as long as several pictures.
    copy = FreshCopy(metrics.text, METRICS_MAX_AGE_S)

    @health.get("/livez")
    def livez() -> Response:
        return jsonify(alive=True)

    @health.get("/readyz")
    def readyz() -> tuple[Response, int]:
        try:
            monitor.check_queue()
            workers = monitor.workers()
            reason = None if workers else "No worker is alive."
        except ServiceError as error:
            workers, reason = [], error.detail
        if reason:
            return jsonify(ready=False, reason=reason, workers=[]), HTTPStatus.SERVICE_UNAVAILABLE
        warnings = crops.warnings(workers)
        return jsonify(ready=True, workers=workers, **({"warnings": warnings} if warnings else {})), HTTPStatus.OK

    @health.get(METRICS_PATH)
    def scrape() -> Response:
        return Response(copy.get(), content_type=CONTENT_TYPE)

    return health
