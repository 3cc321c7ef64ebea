"""Connections to one service that are kept open, for many threads.

urllib3 costs a quarter of what `requests` does: 0.4 ms of processor time for a request.
"""

import os
import ssl
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3
from requests.utils import (
    DEFAULT_CA_BUNDLE_PATH,
    get_auth_from_url,
    get_environ_proxies,
    prepend_scheme_if_needed,
    select_proxy,
)

from clients.options import is_loopback
from clients.rows import one_line
from clients.send_again import causes


class Connections:
    """Posts pictures to `/predict`; safe to use from many threads.

    Args:
        url: of the service.
        count: how many connections are kept open.
        timeout_s: when a request is given up for which nothing comes, in seconds.
        api_key: where one is required.
        proxy: the address of the proxy to use.
    """

    def __init__(
        self, url: str, count: int, timeout_s: float, api_key: str | None = None, proxy: str | None = None
    ) -> None:
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        address = urlsplit(url)
        # Only a proxy that forwards wants whole addresses: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.1.
        is_forwarded = proxy and address.scheme == "http"
        self._target = f"{url if is_forwarded else address.path}/predict"
        # Each request takes the connection that was used last, so there are never more than are needed at once.
        self._pool = _manager(proxy, count, timeout_s).connection_from_url(url)

    def post(self, body: bytes | Iterable[bytes], headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """Send once and return the answer.

        Raises:
            urllib3.exceptions.HTTPError: none came.
        """
        headers = self._headers | dict(headers)
        # The host is another one than the pool's where that leads to a proxy.
        return self._pool.urlopen("POST", self._target, body, headers, retries=False, assert_same_host=False)

    def close(self) -> None:
        """Close those that are idle."""
        self._pool.close()


def environment_proxy(url: str) -> str | None:
    """Return the proxy that the environment (`http_proxy` and so on) has for an address; none for this machine."""
    proxy = None if is_loopback(url) else select_proxy(url, get_environ_proxies(url))
    return prepend_scheme_if_needed(proxy, "http") if proxy else None


def authorities() -> str:
    """Return the file, or folder, with the certificates of the authorities to trust, which `requests` would take."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH


def is_distrust(error: BaseException) -> bool:
    """Tell whether the service's certificate is behind an error; it would be the next time, too."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))


def elsewhere(status: int, location: str | None) -> str:
    """Say where an answer leads. Nobody goes there: on the way libraries make a GET of a POST, and show the API key."""
    address = one_line(location or "").removesuffix("/readyz").removesuffix("/predict")
    return f"the service is elsewhere (HTTP status {status}); pass {address or 'its own address'} with --url"


def system_words(error: BaseException) -> str | None:
    """Return the system's words for what is behind an error; None where it has none."""
    words = (cause.strerror for cause in causes(error) if isinstance(cause, OSError))
    return next((text.lower() for text in words if text), None)


def reason(error: BaseException) -> str:
    """Return in words what is behind an error of urllib3."""
    if words := system_words(error):
        return words
    if any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) for cause in causes(error)):
        return "timeout"
    return "connection lost" if isinstance(error, urllib3.exceptions.ProtocolError) else type(error).__name__


def _manager(proxy: str | None, count: int, timeout_s: float) -> urllib3.PoolManager:
    trusted = authorities()
    options: dict[str, Any] = {"maxsize": count, "timeout": timeout_s}
    options["ca_cert_dir" if os.path.isdir(trusted) else "ca_certs"] = trusted
    if not proxy:
        return urllib3.PoolManager(**options)
    name, password = get_auth_from_url(proxy)
    headers = urllib3.make_headers(proxy_basic_auth=f"{name}:{password}") if name else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
