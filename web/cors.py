"""Cross-origin requests: which pages of other sites may use the service from a browser (https://fetch.spec.whatwg.org)."""

from flask import Flask, Response, request

from helpers import split_list
from settings import Settings

# What our clients send: the API key, and a type such as image/jpeg.
REQUEST_HEADERS = "Authorization, Content-Type"
# What pages may read, besides the body.
RESPONSE_HEADERS = "Retry-After, Server-Timing, X-Request-ID"
# How long a browser may remember a preflight; Chromium keeps none for longer.
PREFLIGHT_AGE_S = 7200


def allow_origins(app: Flask, settings: Settings) -> None:
    """Let browsers give answers to pages of CORS_ORIGINS; Flask itself answers OPTIONS, and so preflights."""
    origins = set(split_list(settings.cors_origins))
    if not origins:
        return

    @app.after_request
    def allow(response: Response) -> Response:
        if "*" not in origins:
            response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin and ("*" in origins or origin in origins):
            _allow(response, "*" if "*" in origins else origin)
        return response


def _allow(response: Response, origin: str) -> None:
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = RESPONSE_HEADERS
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "")
        response.headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_AGE_S)
