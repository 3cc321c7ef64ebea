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


class PictureCheck:
    """Compares this web server's pictures with what the workers expect.

    Args:
        trait: what is compared, an attribute of `WorkerInfo`.
        own: what it is here.
        does: what this web server does, as the warning says it.
        names: of the settings that decide it.
    """

    def __init__(self, trait: str, own: str, does: str, names: str) -> None:
        self._trait = trait
        self._own = own
        self._does = does
        self._names = names
        self._logged: set[str] = set()

    def warnings(self, workers: Sequence[WorkerInfo]) -> list[str]:
        """Return a warning for each other value, and log it when it is new."""
        others = sorted({getattr(worker, self._trait) for worker in workers} - {self._own, ""})
        warnings = [
            f"This web server {self._does} `{self._own}`, but there are workers that expect `{other}`: give both "
            f"the same {self._names}."
            for other in others
        ]
        for other, warning in zip(others, warnings, strict=True):
            if other not in self._logged:
                self._logged.add(other)
                log(f"{self._trait}s_differ", level="warning", note=warning)
        return warnings


def create_health(settings: Settings, monitor: QueueMonitor, metrics: WebMetrics) -> Blueprint:
    """Return the routes for whoever monitors the service."""
    health = Blueprint(HEALTH, __name__)
    checks = [
        PictureCheck("crop", str(settings.crop), "crops pictures by", "MODEL, CROP_MODE and CROP_PCT"),
        PictureCheck(
            "shape", str(settings.image_shape), "makes pictures of", "MODEL, IMAGE_WIDTH, IMAGE_HEIGHT and IMAGE_CHANS"
        ),
    ]
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
        warnings = [warning for check in checks for warning in check.warnings(workers)]
        return jsonify(ready=True, workers=workers, **({"warnings": warnings} if warnings else {})), HTTPStatus.OK

    @health.get(METRICS_PATH)
    def scrape() -> Response:
        return Response(copy.get(), content_type=CONTENT_TYPE)

    return health
