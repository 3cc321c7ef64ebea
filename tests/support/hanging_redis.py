"""Servers that hang: a Redis that is suspended, and black holes, which take connections or bytes and never answer."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import redis


@contextmanager
def suspended_redis(url: str) -> Iterator[None]:
    """Suspend a Redis of our own during the block; the kernel still takes connections for it."""
    with redis.Redis.from_url(url) as client:
        process = client.info()["process_id"]
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextmanager
def silent_server(port: int = 0) -> Iterator[str]:
    """Listen, by default on a free port, and never read nor answer; yield the URL."""
    with socket.create_server(("127.0.0.1", port), backlog=1024) as server:
        yield _url(server)


@contextmanager
def unreachable_server() -> Iterator[str]:
    """Listen with a full backlog, so that connecting takes forever; yield the URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as clients:
        for _ in range(8):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(server.getsockname())
        yield _url(server)


def _url(server: socket.socket) -> str:
    return f"redis://127.0.0.1:{server.getsockname()[1]}/0"
