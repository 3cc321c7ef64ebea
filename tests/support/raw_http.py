"""Builds HTTP requests byte by byte, also invalid ones, and sends them over a plain socket."""

import enum
import http.client
import socket
from dataclasses import dataclass

TIMEOUT_S = 30
BOUNDARY = "frontier"


class End(enum.Enum):
    """What the client does after it has sent its bytes."""

    KEEP_OPEN = enum.auto()
    HALF_CLOSE = enum.auto()
    HANG_UP = enum.auto()


@dataclass
class Reply:
    status: int
    content_type: str
    head: str
    body: str


def exchange(port: int, sent: bytes, end: End = End.KEEP_OPEN) -> Reply | None:
    """Send all bytes before reading the response, as most clients do; return None after hanging up."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        connection.sendall(sent)
        if end is End.HANG_UP:
            return None
        if end is End.HALF_CLOSE:
            connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection)
        response.begin()
        head = str(response.headers)
        return Reply(
            response.status, response.headers.get_content_type(), head, response.read().decode(errors="replace")
        )


def request(body: bytes, *headers: str, start: str = "POST /predict HTTP/1.1") -> bytes:
    return "\r\n".join([start, "Host: localhost", *headers, "", ""]).encode("latin-1") + body


def post(body: bytes, *headers: str, start: str = "POST /predict HTTP/1.1") -> bytes:
    return request(body, f"Content-Length: {len(body)}", *headers, start=start)


def typed(body: bytes, content_type: str = "image/png") -> bytes:
    """The picture as the body."""
    return post(body, f"Content-Type: {content_type}")


def part(content: bytes, disposition: str = 'name="image"; filename="picture"') -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode("latin-1") + content + b"\r\n"


def multipart(*parts: bytes, end: bytes = f"--{BOUNDARY}--\r\n".encode(), boundary: str = BOUNDARY) -> bytes:
    content_type = f'multipart/form-data; boundary="{boundary}"' if boundary else "multipart/form-data"
    return typed(b"".join(parts) + end, content_type)


def form(content: bytes, disposition: str = 'name="image"; filename="picture"') -> bytes:
    """The picture as a file of a multipart form, as browsers and `curl -F` send it."""
    return multipart(part(content, disposition))


def chunked(body: bytes, *headers: str, size: int = 64 * 1024, end: bytes = b"0\r\n\r\n") -> bytes:
    """The body in chunks, without a Content-Length."""
    portions = (body[start : start + size] for start in range(0, len(body), size))
    encoded = b"".join(f"{len(portion):x}\r\n".encode() + portion + b"\r\n" for portion in portions)
    return request(encoded + end, "Transfer-Encoding: chunked", *(headers or ["Content-Type: image/png"]))
