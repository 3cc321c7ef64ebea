"""Errors are answered as RFC 9457 describes, never with a page or a traceback."""

from collections.abc import Mapping

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from errors import ImageTooLarge, ServiceError
from logger import log
from settings import Settings
from web.request_scope import current_request
from web.uploads import max_body_bytes

# With the default address, since the request's own `Host` may be anything.
HOW_TO_ASK = (
    "Send a picture with POST, as the file `image` of a form: curl -F image=@picture.jpg http://127.0.0.1:5000/predict "
    "(with this server's address). In a browser, open / instead."
)


def answer_errors(app: Flask, settings: Settings) -> None:
    """Answer every error of the app with a problem."""

    @app.errorhandler(ServiceError)
    def service_error(error: ServiceError) -> Response:
        return problem_response(error)

    @app.errorhandler(RequestEntityTooLarge)
    def too_many_bytes(_error: RequestEntityTooLarge) -> Response:
        picture, whole = settings.max_upload_bytes, max_body_bytes(settings)
        detail = f"The request is too large; a picture may have at most {picture} bytes, all together {whole}."
        return service_error(ImageTooLarge(detail))

    @app.errorhandler(MethodNotAllowed)
    def wrong_method(error: MethodNotAllowed) -> Response:
        if request.path == "/predict":
            error.description = HOW_TO_ASK
        return http_error(error)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        headers = dict(error.get_headers())
        del headers["Content-Type"]
        return _problem(error.code or 500, error.name, error.description or "", headers)

    @app.errorhandler(Exception)
    def unexpected_error(_error: Exception) -> Response:
        log("unexpected_error", level="error", **current_request().log_fields, exc_info=True)
        return _problem(500, "Internal error", "Something unexpected went wrong; the log has it under this id.", {})


def problem_response(error: ServiceError, **more: object) -> Response:
    """Return the response for an error; `more` is added to its fields."""
    return _problem(error.status, error.title, error.detail, error.headers, more)


def problem_of_picture(error: ServiceError, picture_id: str) -> dict[str, object]:
    """Return the problem of one picture among several."""
    return _fields(error.status, error.title, error.detail, picture_id)


def _fields(status: int, title: str, detail: str, name: str) -> dict[str, object]:
    fields = {"type": "about:blank", "title": title, "status": status, "detail": detail, "success": False}
    return fields | {"id": name}


def _problem(
    status: int, title: str, detail: str, headers: Mapping[str, str], more: Mapping[str, object] | None = None
) -> Response:
    response = jsonify(_fields(status, title, detail, current_request().id) | dict(more or {}))
    response.status_code = status
    response.content_type = "application/problem+json"
    response.headers.update(headers)
    return response
