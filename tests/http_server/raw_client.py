"""What clients of the HTTP server send and receive."""

import http.client
import json
import select
import socket

GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def post(body: bytes, path: bytes = b"/") -> bytes:
    return POST % (path, len(body)) + body


def answer(connection: socket.socket) -> tuple[int, bytes]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def received(connection: socket.socket, until: bytes) -> bytes:
    """All that comes up to the end of a body, of one response or of several."""
    data = b""
    while not data.endswith(until):
        data += connection.recv(65536)
    return data


def problem(connection: socket.socket) -> tuple[int, str]:
    status, body = answer(connection)
    content = json.loads(body)
    assert content["status"] == status
    assert content["success"] is False
    return status, content["detail"]


def is_closed(connection: socket.socket) -> bool:
    return connection.recv(1) == b""


def reset(connection: socket.socket) -> None:
    """Close it in a way that the other side notices at once."""
    # SO_LINGER: on, for no time: socket(7).
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def send_until_nobody_reads(connection: socket.socket, data: bytes, times: int) -> bool:
    """Whether the other side has left some of it unread for a second."""
    connection.setblocking(False)
    for _ in range(times):
        rest = memoryview(data)
        while rest:
            if not select.select([], [connection], [], 1)[1]:
                return True
            rest = rest[connection.send(rest) :]
    return False
