"""Messages between a web server and its decoding processes: a kind, a length, and bytes."""

import socket
import struct
from enum import IntEnum

_HEADER = struct.Struct("!BI")


class Kind(IntEnum):
    """What a message is."""

    UPLOAD = 0
    PIXELS = 1
    # The picture is too expensive for this cell.
    EXPENSIVE = 2
    BAD_IMAGE = 3
    IMAGE_TOO_LARGE = 4
    UNSUPPORTED_FORMAT = 5


class ConnectionClosed(Exception):
    """The other side has gone."""


def send_message(connection: socket.socket, kind: Kind, content: bytes = b"") -> None:
    """Send a message.

    Raises:
        OSError: the other side has gone.
    """
    header = _HEADER.pack(kind, len(content))
    # In one call, so that the other side is woken up once.
    sent = connection.sendmsg([header, content]) - len(header)
    if sent < len(content):
        connection.sendall(memoryview(content)[sent:])


def receive_message(connection: socket.socket, max_bytes: int) -> tuple[Kind, bytearray]:
    """Wait for a message.

    Raises:
        ConnectionClosed: the other side has gone.
        ValueError: the message is not one of ours, or too long.
    """
    kind, length = _HEADER.unpack(_receive(connection, _HEADER.size))
    if length > max_bytes:
        raise ValueError(f"a message of {length} bytes")
    return Kind(kind), _receive(connection, length)


def _receive(connection: socket.socket, count: int) -> bytearray:
    received = bytearray(count)
    view = memoryview(received)
    while view:
        done = connection.recv_into(view)
        if not done:
            raise ConnectionClosed
        view = view[done:]
    return received
