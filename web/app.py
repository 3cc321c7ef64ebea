"""The Flask app, built from its parts."""

from collections.abc import Sequence

from flask import Flask

from jobs.client import JobClient
from jobs.monitor import QueueMonitor
from pictures.cell_pool import CellPool
from settings import Settings
from telemetry.web_metrics import WebMetrics
from web.access import Access
from web.classification import Classification
from web.cors import allow_origins
from web.health import create_health
from web.json_answers import OrjsonProvider
from web.pages import create_pages
from web.predict import create_predict
from web.problem_details import answer_errors
from web.request_scope import RequestObserver, follow_requests
from web.result_cache import ResultCache
from web.server_identity import ServerIdentity
from web.status import create_status
from web.trusted_hosts import trust_hosts
from web.trusted_proxies import trust_proxies
from web.uploads import max_body_bytes


def create_app(
    settings: Settings,
    jobs: JobClient,
    monitor: QueueMonitor,
    metrics: WebMetrics | None = None,
    cells: CellPool | None = None,
    observers: Sequence[RequestObserver] = (),
    identity: ServerIdentity | None = None,
) -> Flask:
    """Build the app.

    Args:
        settings: limits, keys and time-outs.
        jobs: submits pictures to the workers.
        monitor: knows the workers.
        metrics: counts what happens; by default new ones.
        cells: decode uploads; by default new ones, which start with the first upload.
        observers: hear of every request, besides the metrics.
        identity: of the web server to which this process belongs; by default a new one.
    """
    app = Flask(__name__)
    metrics = metrics or WebMetrics()
    app.json = OrjsonProvider(app)
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes(settings)
    # Flask would answer a path with two slashes with a redirect to whatever the client's `Host` says.
    app.url_map.merge_slashes = False
    follow_requests(app, [metrics, *observers])
    trust_proxies(app, settings)
    trust_hosts(app, settings)
    allow_origins(app, settings)
    answer_errors(app, settings)
    app.register_blueprint(create_health(settings, monitor, metrics))
    identity = identity or ServerIdentity.new(settings)
    access = Access(settings)
    app.register_blueprint(create_status(settings, access, monitor, metrics, identity))
    cells = cells or CellPool(settings, metrics)
    classification = Classification(settings, jobs, cells, ResultCache(settings, monitor.workers), metrics)
    app.register_blueprint(create_predict(settings, access, classification))
    app.register_blueprint(create_pages(settings))
    return app
