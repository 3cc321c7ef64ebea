"""`GET /status.json`: what the status page shows, from Redis and from this web server's own counts."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from errors import ServiceUnavailable
from jobs.monitor import QueueMonitor
from settings import Settings
from telemetry.request_record import STATUS_PATH
from telemetry.web_metrics import WebMetrics
from web.access import Access
from web.fresh_copy import FreshCopy
from web.server_identity import ServerIdentity

# However many pages look on, a process reads its counts and asks Redis at most so often.
MAX_AGE_S = 0.5
REDIS_SLOW = "Redis did not answer in time."


def create_status(
    settings: Settings, access: Access, monitor: QueueMonitor, metrics: WebMetrics, identity: ServerIdentity
) -> Blueprint:
    """Return the route of the status page's data."""
    blueprint = Blueprint("status", __name__)
    server = identity if metrics.shared else identity.of_process()

    def report() -> dict[str, Any]:
        counts = metrics.counts()
        own = {"name": server.name, "uptime_s": server.uptime_s, "in_progress": counts.in_progress}
        shared = _shared_state(monitor)
        return {"server": own, "counts": counts.groups, "heartbeat_ttl_s": settings.heartbeat_ttl_s, **shared}

    copy = FreshCopy(report, MAX_AGE_S)

    @blueprint.get(STATUS_PATH)
    def status() -> Response:
        access.authenticate(request.headers.get("Authorization", ""), request.remote_addr or "")
        response = jsonify(copy.get())
        response.cache_control.no_store = True
        return response

    return blueprint


def _shared_state(monitor: QueueMonitor) -> dict[str, Any]:
    """Return what all web servers see alike; where something is missing, why."""
    shared: dict[str, Any] = {"workers": None, "queue": None, "reason": None}
    try:
        living = monitor.living_workers()
        shared["workers"] = [vars(each.info) | {"heartbeat_age_s": each.heartbeat_age_s} for each in living]
        monitor.check_queue()
        state = monitor.state()
    except ServiceUnavailable as error:
        return shared | {"reason": error.detail}
    if state is None:
        return shared | {"reason": REDIS_SLOW}
    return shared | {"queue": {"depth": state.depth, "capacity": state.capacity}}
