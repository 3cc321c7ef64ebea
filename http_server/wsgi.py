"""Calls a WSGI app with a whole request: PEP 3333."""

import io
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from http_server.request import Request, RequestRefused
from http_server.response import Response

# Where an app finds out whether its client has hung up.
CLIENT_GONE = "http_server.client_gone"

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Address(NamedTuple):
    """Of one end of a connection."""

    host: str
    port: int


class _StartResponse:
    """What an app calls with its status and headers."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []

    def __call__(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[type[BaseException], BaseException, TracebackType] | None = None,
    ) -> Callable[[bytes], object]:
        self.status, self.headers = status, headers
        return _refuse_write


def _refuse_write(_data: bytes) -> object:
    raise NotImplementedError("return an iterable instead")


def call(app: WsgiApp, request: Request, client: Address, server: Address, client_gone: Callable[[], bool]) -> Response:
    """Return the app's response.

    Raises:
        RequestRefused: the request's target is not one that an app can have.
    """
    start_response = _StartResponse()
    parts = app(_environ(request, client, server, client_gone), start_response)
    try:
        body = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    headers = start_response.headers
    has_length = any(name.lower() == "content-length" for name, _value in headers)
    if not has_length and _may_have_body(request, start_response.status):
        headers = [*headers, ("Content-Length", str(len(body)))]
    return Response(start_response.status, headers, body)


def _may_have_body(request: Request, status: str) -> bool:
    return request.method != "HEAD" and status[:3] not in ("204", "304")  # RFC 9110, section 6.4.1


def _environ(request: Request, client: Address, server: Address, client_gone: Callable[[], bool]) -> dict[str, Any]:
    path, query = _path_and_query(request.target)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(request.body_bytes),
        "SERVER_NAME": server.host,
        "SERVER_PORT": str(server.port),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "REMOTE_ADDR": client.host,
        "REMOTE_PORT": str(client.port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        CLIENT_GONE: client_gone,
    }
    for name, value in request.headers:
        # With a `_`, a header could pass for another one that a proxy checks or removes.
        if "_" in name or name in ("content-length", "transfer-encoding"):
            continue
        key = "CONTENT_TYPE" if name == "content-type" else "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _path_and_query(target: bytes) -> tuple[str, str]:
    text = target.decode("latin-1")
    if text.startswith("/") or text == "*":
        path, _, query = text.partition("?")
        return path, query
    # A proxy's form, which names the host once more: RFC 9112, section 3.2.
    try:
        scheme, host, path, query, _fragment = urlsplit(text)
    except ValueError:
        scheme = host = path = query = ""
    if not (scheme in ("http", "https") and host):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "The request's target is neither a path nor a URL.")
    return path or "/", query
