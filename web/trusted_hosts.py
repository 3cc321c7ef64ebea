"""Which hosts requests may name, as TRUSTED_HOSTS says."""

from flask import Flask, request
from werkzeug.exceptions import SecurityError
from werkzeug.wsgi import get_host

from errors import UntrustedHost
from helpers import split_list
from settings import Settings
from web.health import HEALTH


def trust_hosts(app: Flask, settings: Settings) -> None:
    """Answer 421 to requests that name another host.

    Not 400, which clients take for a bad picture. Probes may name any host: Kubernetes, load balancers and Prometheus
    name an address. Flask's own check knows no exception.
    """
    hosts = split_list(settings.trusted_hosts)
    if not hosts:
        return

    @app.before_request
    def check() -> None:
        if request.blueprint == HEALTH:
            return
        try:
            get_host(request.environ, hosts)
        except SecurityError as error:
            raise UntrustedHost(f"{error.description} Use a name that TRUSTED_HOSTS of the service lists.") from error
