"""Slow clients do not block other clients."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from benchmarks.services import Services
from settings import Settings
from tests.conftest import MakeSettings, picture
from tests.support.clients import label, post

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
    """Open connections, send the same bytes on each, and keep the connections open."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(count):
            sockets.append(stack.enter_context(socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))))
            sockets[-1].sendall(begin)
        yield sockets


def test_500_idle_connections_do_not_block_other_clients(url: str) -> None:
    with connections(url, 500, b""):
        assert [label(post(url, colour)) for colour in ("red", "green", "blue")] == ["red", "green", "blue"]


def test_50_slow_uploads_do_not_block_other_clients_and_are_answered_in_the_end(url: str) -> None:
    upload = picture()
    head = HEAD.format(len(upload)).encode()
    with connections(url, 50, head + upload[:10]) as sockets:
        assert label(post(url, "blue")) == "blue"
        for connection in sockets:
            connection.sendall(upload[10:])
        for connection in sockets:
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_50_clients_that_never_read_the_response_do_not_block_others(url: str) -> None:
    upload = picture()
    with connections(url, 50, HEAD.format(len(upload)).encode() + upload):
        assert label(post(url, "green")) == "green"
