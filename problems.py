"""How errors are answered: as RFC 9457 says, never with a page or a traceback."""

from collections.abc import Mapping

from flask import Flask, Response, g, jsonify
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from errors import ServiceError
from logger import log
from settings import Settings
from trace_context import trace_fields
from uploads import too_large


def answer_errors(app: Flask, settings: Settings) -> None:
    """Have the app answer every error as a problem."""

    @app.errorhandler(ServiceError)
    def service_error(error: ServiceError) -> Response:
        return _problem(error.status, error.title, error.detail, error.headers)

    @app.errorhandler(RequestEntityTooLarge)
    def too_many_bytes(_error: RequestEntityTooLarge) -> Response:
        return service_error(too_large(settings.max_upload_bytes))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        headers = dict(error.get_headers())
        del headers["Content-Type"]
        return _problem(error.code or 500, error.name, error.description or "", headers)

    @app.errorhandler(Exception)
    def unexpected_error(_error: Exception) -> Response:
        log("unexpected_error", level="error", id=g.id, **trace_fields(g.traceparent), exc_info=True)
        return _problem(500, "Internal error", "Something unexpected went wrong; the log has it under this id.")


def _problem(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Render an error as RFC 9457 says."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "success": False}
    response = jsonify(body | {"id": g.id})
    response.status_code = status
    response.content_type = "application/problem+json"
    response.headers.update(headers or {})
    return response
