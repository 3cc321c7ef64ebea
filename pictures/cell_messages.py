"""Messages between a web server and its decoding processes: a kind, a length, a picture's size, and bytes."""

import socket
import struct
import time
from enum import IntEnum
from typing import NamedTuple

# In place of a new cell's process id.
NO_PROCESS = 0
_HEADER = struct.Struct("!BIQ")


class Kind(IntEnum):
    """What a message is."""

    UPLOAD = 0
    PIXELS = 1
    # The picture is too expensive for this cell.
    EXPENSIVE = 2
    BAD_IMAGE = 3
    IMAGE_TOO_LARGE = 4
    UNSUPPORTED_FORMAT = 5


class Message(NamedTuple):
    """What is sent.

    Attributes:
        kind: what it is.
        content: an upload, pixels, or the detail of an error.
        picture_pixels: with PIXELS, width x height of the picture by its header; else 0.
    """

    kind: Kind
    content: bytes | bytearray = b""
    picture_pixels: int = 0


class ConnectionClosed(Exception):
    """The other side has gone."""


def send_message(connection: socket.socket, message: Message, end: float | None = None) -> None:
    """Send a message.

    Args:
        connection: to whom.
        message: what.
        end: when the other side must have taken it, in seconds of `time.monotonic`; None for no limit.

    Raises:
        TimeoutError: it has not.
        OSError: the other side has gone.
    """
    content = message.content
    header = _HEADER.pack(message.kind, len(content), message.picture_pixels)
    # In one call, so that the other side is woken up once.
    _limit_next_call(connection, end)
    sent = connection.sendmsg([header, content]) - len(header)
    if sent < len(content):
        _limit_next_call(connection, end)
        connection.sendall(memoryview(content)[sent:])


def receive_message(connection: socket.socket, max_bytes: int, end: float | None = None) -> Message:
    """Wait for a message.

    Args:
        connection: from whom.
        max_bytes: of its content.
        end: when all of it must have come, in seconds of `time.monotonic`; None for no limit.

    Raises:
        TimeoutError: it has not.
        ConnectionClosed: the other side has gone.
        ValueError: the message is not one of ours, or too long.
    """
    kind, length, picture_pixels = _HEADER.unpack(_receive(connection, _HEADER.size, end))
    if length > max_bytes:
        raise ValueError(f"a message of {length} bytes")
    return Message(Kind(kind), _receive(connection, length, end), picture_pixels)


def _receive(connection: socket.socket, count: int, end: float | None) -> bytearray:
    received = bytearray(count)
    view = memoryview(received)
    while view:
        _limit_next_call(connection, end)
        done = connection.recv_into(view)
        if not done:
            raise ConnectionClosed
        view = view[done:]
    return received


def _limit_next_call(connection: socket.socket, end: float | None) -> None:
    """Give it the rest of the time; a time-out that is set once would hold for each call anew."""
    if end is None:
        return
    remaining_s = end - time.monotonic()
    if remaining_s <= 0:
        raise TimeoutError
    connection.settimeout(remaining_s)
