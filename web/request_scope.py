"""The life of one request: it gets a record, observers hear of it, its answer gets our headers, the log gets a line."""

import uuid
from collections.abc import Sequence
from typing import Protocol, cast

from flask import Flask, Response, g, request

from jobs.trace_context import parse_traceparent
from logger import Level, log
from telemetry.request_record import PROBES, RequestRecord
from web.security_headers import SECURITY_HEADERS

LOGGED_PATH_CHARS = 100


class RequestObserver(Protocol):
    """Hears of every request."""

    def started(self, record: RequestRecord) -> None:
        """A request has come; `traceparent` and `span` may be set."""

    def finished(self, record: RequestRecord) -> None:
        """A request has been answered."""


def current_request() -> RequestRecord:
    """Return the record of the request that this thread serves."""
    return cast(RequestRecord, g.record)


def follow_requests(app: Flask, observers: Sequence[RequestObserver]) -> None:
    """Keep a record of every request of the app."""

    @app.before_request
    def start() -> None:
        g.record = record = RequestRecord(
            id=uuid.uuid4().hex,  # never a client's own
            method=request.method,
            path=request.path,
            route=request.url_rule.rule if request.url_rule else "unmatched",
            traceparent=parse_traceparent(request.headers.get("traceparent")),
        )
        for observer in observers:
            observer.started(record)

    @app.after_request
    def answer(response: Response) -> Response:
        record = current_request()
        record.status = response.status_code
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)  # a page may have a policy of its own
        response.headers["X-Request-ID"] = record.id
        _log(record)
        return response

    @app.teardown_request
    def finish(_error: BaseException | None) -> None:
        if record := g.pop("record", None):
            for observer in observers:
                observer.finished(record)


def _log(record: RequestRecord) -> None:
    fields: dict[str, object] = {"method": record.method, "path": record.path[:LOGGED_PATH_CHARS]}
    fields["status"] = record.status
    if record.pictures > 1:
        fields |= {"pictures": record.pictures, "failed": record.failed}
    if record.cache:
        fields["cache"] = ",".join(name if count == 1 else f"{name}:{count}" for name, count in record.cache.items())
    level: Level = "debug" if record.path in PROBES else "info"
    log("request_answered", level=level, **record.log_fields, **fields, ms=record.seconds * 1000)
