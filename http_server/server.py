"""Accepts connections, and has their requests answered by threads."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus

from http_server.client_watch import ClientWatch
from http_server.connection import Connection, State
from http_server.limits import Limits
from http_server.request import Request, RequestRefused
from http_server.request_threads import RequestThreads
from http_server.response import problem
from http_server.wsgi import Address, WsgiApp, call

CHECK_S = 1.0
RETRY_S = 0.1
# At once from one connection.
READ_BYTES = 64 * 1024
_LOG = logging.getLogger(__name__)


class Server:
    """Serves a WSGI app on listening sockets; lives in the thread of the running event loop.

    Args:
        app: called by many threads at once.
        limits: of this process.
        refused: hears of each request that the server answers by itself.
    """

    def __init__(self, app: WsgiApp, limits: Limits, refused: Callable[[RequestRefused, Address], None]) -> None:
        self.limits = limits
        self.is_draining = False
        self.read_buffer = bytearray(READ_BYTES)
        self._tell_refused = refused
        self._app = app
        self._loop = asyncio.get_running_loop()
        self._threads = RequestThreads(limits.threads)
        self._listeners: Sequence[socket.socket] = ()
        self._opening: set[Connection] = set()
        # In the order in which they began to wait for their clients.
        self._waiting: dict[Connection, None] = {}
        self._answering: set[Connection] = set()
        self._held_bytes = 0
        self._tasks: set[asyncio.Task[object]] = set()

    def listen(self, listeners: Sequence[socket.socket]) -> None:
        """Accept connections from now on."""
        self._listeners = listeners
        for listener in listeners:
            listener.setblocking(False)
            self._loop.add_reader(listener, self._accept, listener)
        self._check()

    async def drain(self) -> None:
        """Accept no more, and return when all requests that have begun are answered.

        The listening sockets are closed: as long as one process has them open, the system takes connections for it.
        """
        self.is_draining = True
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        while self._opening or self._waiting or self._answering:
            for connection in list(self._waiting):
                connection.close_if_idle()
            await asyncio.sleep(0.05)
        self._threads.close()

    def start_request(self, connection: Connection, request: Request, watch: ClientWatch) -> None:
        """Have a thread answer it."""
        try:
            self._threads.submit(partial(self._answer, connection, request, watch))
        except RuntimeError:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            self._refuse(connection, RequestRefused(status, "The server has no thread for this request; try again."))

    def state_changed(self, connection: Connection) -> None:
        """Sort the connection in again."""
        self._opening.discard(connection)
        self._waiting.pop(connection, None)
        self._answering.discard(connection)
        if connection.state is State.ANSWERING:
            self._answering.add(connection)
        elif connection.state is not State.CLOSED:
            self._waiting[connection] = None

    def held_bytes_changed(self, by: int) -> None:
        """Drop the uploads that have been coming in for longest while all of them take too much memory."""
        self._held_bytes += by
        if by < 0 or self._held_bytes <= self.limits.pending_bytes:
            return
        for connection in list(self._waiting):
            if connection.held_bytes:
                status = HTTPStatus.SERVICE_UNAVAILABLE
                connection.refuse(RequestRefused(status, "The server holds too many uploads; try again."))
            if self._held_bytes <= self.limits.pending_bytes:
                return

    def refused(self, refusal: RequestRefused, client: Address) -> None:
        """Tell that a request has been answered without the app, and go on if nobody can be told."""
        try:
            self._tell_refused(refusal, client)
        except Exception:
            _LOG.exception("A refused request could not be reported.")

    def _accept(self, listener: socket.socket) -> None:
        """Accept one connection, so that the other processes of the server get theirs."""
        if self._is_full() and not self._drop_oldest():
            self._pause(listener)
            return
        try:
            connected_socket, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another process was faster, or the client has gone
            return
        except OSError:  # there are no more files or no memory
            self._drop_oldest()
            self._pause(listener)
            return
        connected_socket.setblocking(False)
        connection = Connection(self, connected_socket, Address(*address[:2]))
        self._opening.add(connection)
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: connection, connected_socket))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _is_full(self) -> bool:
        return len(self._opening) + len(self._waiting) + len(self._answering) >= self.limits.connections

    def _pause(self, listener: socket.socket) -> None:
        """Leave connections to the other processes, or in the system's queue, for a moment."""
        self._loop.remove_reader(listener)
        self._loop.call_later(RETRY_S, self._listen_again, listener)

    def _listen_again(self, listener: socket.socket) -> None:
        if not self.is_draining:
            self._loop.add_reader(listener, self._accept, listener)

    def _drop_oldest(self) -> bool:
        """Make room for a connection; return whether there was one that could be dropped."""
        for oldest in self._waiting:
            if not oldest.is_about_to_receive():
                status = HTTPStatus.REQUEST_TIMEOUT
                oldest.drop(RequestRefused(status, "The server needed the connection for others."))
                self._waiting.pop(oldest, None)  # although it takes a moment to close
                return True
        return False

    def _check(self) -> None:
        self._loop.call_later(CHECK_S, self._check)
        for connection in list(self._waiting):
            connection.check_time()

    def _answer(self, connection: Connection, request: Request, watch: ClientWatch) -> None:
        try:
            connection.send(call(self._app, request, connection.client, connection.server, watch.gone))
        except RequestRefused as refusal:
            self._refuse(connection, refusal)
        except BaseException:  # whatever an app raises must not end the thread
            _LOG.exception("The app failed.")
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            self._refuse(connection, RequestRefused(status, "Something unexpected went wrong."))

    def _refuse(self, connection: Connection, refusal: RequestRefused) -> None:
        self.refused(refusal, connection.client)
        connection.send(problem(refusal))
