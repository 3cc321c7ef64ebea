"""The web server's requests, counted, and `/metrics`, where Prometheus reads the counts."""

import time

from flask import Flask, Response, g, request

from metrics import CONTENT_TYPE, WebMetrics

PATH = "/metrics"
# Asked every few seconds by whoever watches the service.
PROBES = {"/livez", "/readyz", PATH}


def serve_metrics(app: Flask, metrics: WebMetrics) -> None:
    """Count every request but the scrapes; to be called before the other hooks, so as to see all of a request."""

    @app.before_request
    def begin() -> None:
        if request.path != PATH:
            g.counted_from = time.perf_counter()
            metrics.request_begun()

    @app.after_request
    def count(response: Response) -> Response:
        if "counted_from" in g:
            metrics.answered(request.method, route(), response.status_code, time.perf_counter() - g.counted_from)
        return response

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        if g.pop("counted_from", None):
            metrics.request_ended()

    @app.get(PATH)
    def scrape() -> Response:
        return Response(metrics.text(), content_type=CONTENT_TYPE)


def route() -> str:
    """Return the pattern of the request's path, of which there are few; `unmatched` for what we do not serve."""
    return request.url_rule.rule if request.url_rule else "unmatched"
