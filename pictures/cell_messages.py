"""Messages between a web server and its decoding processes: a kind, a length, a picture's size, and bytes."""

import socket
import struct
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


def send_message(connection: socket.socket, message: Message) -> None:
    """Send a message.

    Raises:
        OSError: the other side has gone.
    """
    content = message.content
    header = _HEADER.pack(message.kind, len(content), message.picture_pixels)
    # In one call, so that the other side is woken up once.
    sent = connection.sendmsg([header, content]) - len(header)
    if sent < len(content):
        connection.sendall(memoryview(content)[sent:])


def receive_message(connection: socket.socket, max_bytes: int) -> Message:
    """Wait for a message.

    Raises:
        ConnectionClosed: the other side has gone.
        ValueError: the message is not one of ours, or too long.
    """
    kind, length, picture_pixels = _HEADER.unpack(_receive(connection, _HEADER.size))
    if length > max_bytes:
        raise ValueError(f"a message of {length} bytes")
    return Message(Kind(kind), _receive(connection, length), picture_pixels)


def _receive(connection: socket.socket, count: int) -> bytearray:
    received = bytearray(count)
    view = memoryview(received)
    while view:
        done = connection.recv_into(view)
        if not done:
            raise ConnectionClosed
        view = view[done:]
    return received
