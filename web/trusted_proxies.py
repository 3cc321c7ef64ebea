"""The client's address behind as many load balancers as TRUSTED_PROXIES says."""

import ipaddress

from flask import Flask, request

from settings import Settings


def trust_proxies(app: Flask, settings: Settings) -> None:
    """Take a request's address from `X-Forwarded-For`, to which each load balancer adds the one that it sees.

    Werkzeug's own reading lets a client hide its address behind a quote, and takes a port for a part of the address.
    """
    proxies = settings.trusted_proxies
    if not proxies:
        return

    @app.before_request
    def read() -> None:
        forwarded = _forwarded_address(request.headers.get("X-Forwarded-For", ""), proxies)
        request.remote_addr = forwarded or request.remote_addr


def _forwarded_address(header: str, proxies: int) -> str | None:
    """Return the address that the first of these load balancers has added; None where there is none."""
    added = header.split(",")[-proxies:]
    if len(added) < proxies:
        return None
    try:
        return str(ipaddress.ip_address(_without_port(added[0].strip())))
    except ValueError:
        return None


def _without_port(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    # With more colons, it is an IPv6 address.
    return address.partition(":")[0] if address.count(":") == 1 else address
