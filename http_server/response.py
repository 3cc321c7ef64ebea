"""What goes back to a client."""

import json
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

from http_server.request import RequestRefused

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Response(NamedTuple):
    """A whole response; `status` as in `200 OK`."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    def serialized(self, keep_alive: bool) -> bytes:
        """Return its bytes on the wire."""
        lines = [f"HTTP/1.1 {self.status}", f"Date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Connection: {'keep-alive' if keep_alive else 'close'}", "\r\n"]
        return "\r\n".join(lines).encode("latin-1") + self.body


def problem(refusal: RequestRefused) -> Response:
    """Return the answer to a request that the server refuses by itself, as RFC 9457 describes."""
    status = refusal.status
    content = {"type": "about:blank", "title": status.phrase, "status": status, "detail": refusal.detail}
    body = json.dumps(content | {"success": False, "id": refusal.id}).encode()
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Request-ID", refusal.id),
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", "1"))
    return Response(f"{status.value} {status.phrase}", headers, body)
