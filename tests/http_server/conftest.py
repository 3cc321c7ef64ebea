"""A server in a thread of its own, around an app that does what the request's path says."""

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from http_server.limits import Limits
from http_server.request import RequestRefused
from http_server.server import Server
from http_server.wsgi import CLIENT_GONE

LIMITS = Limits(body_bytes=100_000, pending_bytes=1_000_000, client_s=60, connections=100, threads=4)
TIMEOUT_S = 30
# More than the system takes from a server whose client does not read.
BIG_BYTES = 30_000_000


class App:
    """Answers with the request's body; `/wait` waits for `go_on` or for its client to hang up."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []
        self.go_on = threading.Event()
        self.clients_gone = threading.Semaphore(0)
        self.most_at_once = 0
        self._waiting = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        self.environs.append(environ)
        if environ["PATH_INFO"] == "/fail":
            raise ValueError("secret")
        if environ["PATH_INFO"] == "/exit":
            sys.exit("exit")
        if environ["PATH_INFO"] == "/nothing":
            start_response("204 No Content", [])
            return []
        if environ["PATH_INFO"] == "/wait":
            self._wait(environ[CLIENT_GONE])
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/big":
            return [bytes(BIG_BYTES)]
        return [environ["PATH_INFO"].encode(), b" ", environ["wsgi.input"].read()]

    def _wait(self, client_gone: Callable[[], bool]) -> None:
        self._waiting += 1
        self.most_at_once = max(self.most_at_once, self._waiting)
        while not self.go_on.wait(0.01):
            if client_gone():
                self.clients_gone.release()
                break
        self._waiting -= 1


class Running:
    """A running server, and connections to it."""

    def __init__(self, app: App, limits: Limits) -> None:
        self.app = app
        self.refused: list[RequestRefused] = []
        self.stack = ExitStack()
        self._limits = limits
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._ready.wait()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._server = server = Server(self.app, self._limits, lambda refusal, _client: self.refused.append(refusal))
        server.listen([self._listener])
        self._ready.set()
        await self._stop.wait()
        await server.drain()

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = self.stack.enter_context(socket.create_connection(self._listener.getsockname(), TIMEOUT_S))
        connection.sendall(sent)
        return connection

    def connections(self) -> int:
        return len(self._server._opening) + len(self._server._waiting) + len(self._server._answering)

    def in_loop(self, call: Callable[[], Any]) -> Any:
        """What the call returns; nothing else happens in the server's event loop meanwhile."""

        async def run() -> Any:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(TIMEOUT_S)

    def begin_to_drain(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    def close(self) -> None:
        self.app.go_on.set()
        self.begin_to_drain()
        self.stack.close()
        self._thread.join()
        self._listener.close()


Start = Callable[..., Running]


@contextmanager
def running(**limits: Any) -> Iterator[Running]:
    server = Running(App(), LIMITS._replace(**limits))
    try:
        yield server
    finally:
        server.close()


@contextmanager
def no_more_threads() -> Iterator[None]:
    """Have threads fail to start, as they do where the system allows no more of them."""

    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        yield


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server with other limits."""
    with ExitStack() as stack:
        yield lambda **limits: stack.enter_context(running(**limits))


@pytest.fixture
def server(start: Start) -> Running:
    return start()
