"""Which hosts requests may name, as TRUSTED_HOSTS says."""

from flask import Flask, request
from werkzeug.wsgi import get_host

from settings import Settings
from web.health import HEALTH


def trust_hosts(app: Flask, settings: Settings) -> None:
    """Answer 400 to requests that name another host.

    Not to probes: Kubernetes, load balancers and Prometheus name an address. Flask's own check knows no exception.
    """
    hosts = settings.trusted_hosts.replace(",", " ").split()
    if not hosts:
        return

    @app.before_request
    def check() -> None:
        if request.blueprint != HEALTH:
            get_host(request.environ, hosts)
