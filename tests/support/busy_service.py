"""A service made by hand that is busy or refuses, as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.http_stub import serving

GOOD = b'{"success": true, "predictions": [{"label": "red", "probability": 1.0}]}'


class Busy(ThreadingHTTPServer):
    """Is ready, and answers with the statuses that it is given, one after the other, and then with 200.

    Attributes:
        status_of: what it always answers to some bodies.
        moved_to: the address to which it redirects every request.
        ready: the answer of `/readyz`.
        answer: what it answers with 200.
        problem: the answer to other statuses.
        answers: cleared, it keeps its clients waiting.
    """

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.statuses: list[int] = []
        self.status_of: dict[bytes, int] = {}
        self.moved_to: str | None = None
        self.ready = b'{"ready": true}'
        self.answer = GOOD
        self.problem = b'{"success": false, "detail": "of the service"}'
        self.retry_after: str | None = "0"
        self.authorizations: list[str | None] = []
        self.bodies: list[bytes] = []
        self.answers = threading.Event()
        self.answers.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Busy

    def do_GET(self) -> None:
        self._send(200, self.server.ready)

    def do_POST(self) -> None:
        upload = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(upload)
        self.server.authorizations.append(self.headers["Authorization"])
        status = self.server.status_of.get(upload) or self._next_status()
        body = self.server.answer if status == 200 else self.server.problem.replace(b"{", b'{"status": %d, ' % status)
        self.server.answers.wait()
        self._send(status, body)

    def _next_status(self) -> int:
        return self.server.statuses.pop(0) if self.server.statuses else 200

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(301 if self.server.moved_to else status)
        if self.server.moved_to:
            self.send_header("Location", f"{self.server.moved_to}{self.path}")
        if status in (429, 503) and self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError):  # a client that was stopped does not wait
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def busy_service(port: int = 0) -> Iterator[Busy]:
    """Run such a service during the block, by default on a free port."""
    with serving(Busy(port)) as server:
        try:
            yield server
        finally:
            server.answers.set()
