"""The HTTP server of a worker's metrics: whoever connects takes little from the worker, and not for long."""

import io
import socket
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication

from logger import log

# For each line of a request.
TIMEOUT_S = 5
# Each has a thread. When there are more, the oldest is closed.
CONNECTIONS = 16
# After a connection could not be accepted, since the next attempt would fail at once.
PAUSE_S = 0.5


def start_metrics_server(host: str, port: int, app: WSGIApplication) -> WSGIServer:
    """Serve an app from a thread of its own.

    Raises:
        OSError: the port is taken, or the host is not one of this machine's.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    server = _Server(family, address, app)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # Where five wait, which is the default, the system drops the next, and it is a second late.
    request_queue_size = 128

    def __init__(self, family: socket.AddressFamily, address: Any, app: WSGIApplication) -> None:
        self.address_family = family
        self._latest: deque[socket.socket] = deque()
        super().__init__(address, _Handler)
        self.set_app(app)

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError:
            time.sleep(PAUSE_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        self._latest.append(request)
        if len(self._latest) > CONNECTIONS:
            with suppress(OSError):  # it has been answered
                self._latest.popleft().shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def handle_error(self, _request: Any, client_address: Any) -> None:
        log("metrics_not_sent", level="debug", address=client_address[0], error=repr(sys.exception()))


class _Handler(WSGIRequestHandler):
    timeout = TIMEOUT_S

    def get_stderr(self) -> "_ErrorLog":
        return _ErrorLog()

    def log_message(self, *_arguments: object) -> None:
        """Log no requests."""


class _ErrorLog(io.StringIO):
    """Takes the traceback of an error in the app, which an odd `Accept` may cause."""

    def flush(self) -> None:
        log("metrics_not_sent", level="warning", traceback=self.getvalue())
