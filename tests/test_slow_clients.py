"""Clients that take their time do not keep others from being served."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from settings import Settings
from tests.clients import label, post
from tests.conftest import MakeSettings, picture
from tests.services import Services

HEAD = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {}\r\n\r\n"


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings()


@pytest.fixture
def url(services: Services) -> str:
    services.start_worker()
    return services.start_web_server()[1]


@contextlib.contextmanager
def connections(url: str, count: int, begin: bytes) -> Iterator[list[socket.socket]]:
    """Open connections, send the beginning of something on each, and leave it at that."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(count):
            sockets.append(stack.enter_context(socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))))
            sockets[-1].sendall(begin)
        yield sockets


def test_500_idle_connections_keep_nobody_waiting(url: str) -> None:
    with connections(url, 500, b""):
        assert [label(post(url, colour)) for colour in ("red", "green", "blue")] == ["red", "green", "blue"]


def test_half_a_hundred_slow_uploads_keep_nobody_waiting_and_get_their_answers_at_last(url: str) -> None:
    upload = picture()
    head = HEAD.format(len(upload)).encode()
    with connections(url, 50, head + upload[:10]) as sockets:
        assert label(post(url, "blue")) == "blue"
        for connection in sockets:
            connection.sendall(upload[10:])
        for connection in sockets:
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_half_a_hundred_that_never_read_their_answers_keep_nobody_waiting(url: str) -> None:
    upload = picture()
    with connections(url, 50, HEAD.format(len(upload)).encode() + upload):
        assert label(post(url, "green")) == "green"
