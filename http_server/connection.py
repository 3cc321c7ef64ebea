"""One connection: one request after the other is received, answered, and followed by the next."""

import asyncio
import socket
from contextlib import suppress
from enum import Enum, auto
from http import HTTPStatus
from typing import Protocol, cast

from http_server.client_watch import ClientWatch
from http_server.limits import KEEPALIVE_S, LINGER_S, MAX_DISCARDED_BYTES, MIN_BYTES_PER_S, Limits
from http_server.request import Request, RequestRefused
from http_server.request_parser import RequestParser, Stage
from http_server.response import CONTINUE, Response, problem
from http_server.wsgi import Address


class State(Enum):
    """What a connection waits for."""

    # Its client: for a request, or until the last answer has left.
    RECEIVING = auto()
    # A thread, with the answer.
    ANSWERING = auto()
    # Its client has been answered for the last time, and gets to read that.
    LINGERING = auto()
    CLOSED = auto()


class ConnectionOwner(Protocol):
    """Whoever has opened a connection."""

    limits: Limits
    is_draining: bool
    # Into which one connection reads at a time: it takes out at once what has come.
    read_buffer: bytearray

    def start_request(self, connection: "Connection", request: Request, watch: ClientWatch) -> None:
        """Have the request answered by a thread, which ends in `connection.send`."""

    def state_changed(self, connection: "Connection") -> None:
        """It waits for something else now."""

    def held_bytes_changed(self, by: int) -> None:
        """Bodies have come, or have gone."""

    def refused(self, refusal: RequestRefused, client: Address) -> None:
        """A request has been answered without the app."""


class Connection(asyncio.BufferedProtocol):
    """Lives in the event loop's thread; others may only call `send`.

    From a whole request until its answer has left, nothing is read. So a client that sends one request after the other
    and reads no answers fills its own memory and the system's, not ours.

    Args:
        owner: of all connections.
        connected_socket: from which nobody else reads.
        client: its other end.
    """

    def __init__(self, owner: ConnectionOwner, connected_socket: socket.socket, client: Address) -> None:
        self.client = client
        self.server = Address(*connected_socket.getsockname()[:2])
        self.state = State.RECEIVING
        self._owner = owner
        self._socket = connected_socket
        self._loop = asyncio.get_running_loop()
        self._parser = RequestParser(owner.limits.body_bytes)
        # What came together with the end of a request, of the next ones.
        self._unread = b""
        self._answering: Request | None = None
        self._refusal: RequestRefused | None = None
        # Of bodies that this connection keeps in memory.
        self.held_bytes = 0
        self._discarded_bytes = 0
        self._deadline = self._loop.time() + owner.limits.client_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        # Whatever the system does not take at once has to leave before the next request begins.
        self._transport.set_write_buffer_limits(high=0)
        self._set_state(State.RECEIVING)

    def connection_lost(self, _error: Exception | None) -> None:
        """End; a thread that still answers will find nobody."""
        self._parser.forget()
        self._set_state(State.CLOSED)
        self._count_held_bytes()

    def get_buffer(self, _size_hint: int) -> bytearray:
        """Return where to put what comes."""
        return self._owner.read_buffer

    def buffer_updated(self, count: int) -> None:
        """Take what has come, and begin to answer when a request is whole."""
        if self.state is State.LINGERING:
            self._discard(count)
        else:
            self._unread = bytes(memoryview(self._owner.read_buffer)[:count])
            self._go_on()

    def eof_received(self) -> bool:
        """Refuse what is not whole; return whether the connection stays open, which it never does."""
        if self.state is State.RECEIVING:
            try:
                self._parser.check_complete()
            except RequestRefused as refusal:
                self.refuse(refusal)
        return False

    def resume_writing(self) -> None:
        """Continue, since the client has read."""
        if self.state is State.LINGERING:
            self._wait(LINGER_S)
        self._go_on()

    def send(self, response: Response) -> None:
        """Send the answer to the request that was started last; called by the thread that has it.

        The thread writes to the socket, so that the client need not wait for the event loop. Nobody else writes or
        closes while a request is being answered.
        """
        request = self._answering
        keep_alive = bool(request and request.keep_alive and not self._owner.is_draining)
        if request and request.method == "HEAD":
            response = response._replace(body=b"")
        data = response.serialized(keep_alive)
        sent = 0
        with suppress(OSError):  # the event loop will find out what is wrong
            sent = self._socket.send(data, socket.MSG_DONTWAIT)
        self._loop.call_soon_threadsafe(self._sent, data[sent:], keep_alive)

    def _sent(self, rest: bytes, keep_alive: bool) -> None:
        self._answering = None
        self._count_held_bytes()
        if self.state is State.CLOSED:
            return
        if rest:
            self._transport.write(rest)
        if keep_alive:
            self._wait(KEEPALIVE_S if self._parser.stage is Stage.IDLE else self._owner.limits.client_s)
            self._set_state(State.RECEIVING)
            self._go_on()
        else:
            self._linger()

    def refuse(self, refusal: RequestRefused) -> None:
        """Answer what has come so far with an error, and close."""
        if self._can_write:
            self._owner.refused(refusal, self.client)
            self._transport.write(problem(refusal).serialized(keep_alive=False))
            self._linger()
        else:  # it reads nothing, so nobody can tell it anything
            self._forget()
            self._transport.abort()

    def check_time(self) -> None:
        """Drop a client that has had its time, with a word if it had begun to send a request."""
        extra_s = self._parser.received_bytes / MIN_BYTES_PER_S
        if self.state is State.ANSWERING or self._loop.time() < self._deadline + extra_s:
            return
        if self.state is State.RECEIVING and self._parser.stage is not Stage.IDLE:
            self.refuse(RequestRefused(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive."))
        else:
            self._transport.abort()

    def drop(self, refusal: RequestRefused) -> None:
        """Make room for others: close, with a word if the client had begun to send a request."""
        if self.state is State.RECEIVING and self._parser.stage is not Stage.IDLE:
            self.refuse(refusal)
        if self._can_write:
            self._transport.close()
        else:
            self._transport.abort()

    def close_if_idle(self) -> None:
        """Close a connection whose last answer has left, on which no request has begun, and none has come."""
        is_idle = self.state is State.RECEIVING and self._parser.stage is Stage.IDLE and self._can_write
        if is_idle and not self.is_about_to_receive():
            self._transport.close()

    def is_about_to_receive(self) -> bool:
        """Return whether something has come that the event loop reads next, and that may become a request."""
        if self.state is not State.RECEIVING or not self._can_write:
            return False
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:  # nothing has come, or the client has gone
            return False

    @property
    def _can_write(self) -> bool:
        """Whether the connection lasts, and all that was written has left."""
        return not self._transport.is_closing() and not self._transport.get_write_buffer_size()

    def _go_on(self) -> None:
        """Read up to the end of the next request, and begin with the answer to it, if that could be sent."""
        if self.state is not State.RECEIVING or not self._can_write:
            return
        self._read()
        self._count_held_bytes()  # which may refuse it
        if self._parser.whole:
            self._begin(self._parser.whole.popleft())
        elif self._refusal:
            self.refuse(self._refusal)
        elif self._parser.expects_continue:
            self._parser.expects_continue = False
            self._transport.pause_reading()
            self._transport.write(CONTINUE)
            self._go_on()  # as soon as that has left
        else:
            self._transport.resume_reading()

    def _read(self) -> None:
        stage = self._parser.stage
        try:
            self._unread = self._parser.feed(self._unread)
        except RequestRefused as refusal:
            self._refusal, self._unread = refusal, b""
        if self._parser.stage is not stage:
            self._wait(self._owner.limits.client_s)

    def _begin(self, request: Request) -> None:
        self._transport.pause_reading()
        self._answering = request
        self._set_state(State.ANSWERING)
        self._owner.start_request(self, request, ClientWatch(self._socket, may_probe=request.version == "1.1"))

    def _linger(self) -> None:
        """Read on until the client has read the answer: it would get a reset instead otherwise."""
        self._forget()
        self._wait(LINGER_S if self._can_write else KEEPALIVE_S)
        self._set_state(State.LINGERING)
        with suppress(OSError):  # where the client has reset the connection
            self._transport.write_eof()
        self._transport.resume_reading()

    def _forget(self) -> None:
        self._unread, self._refusal = b"", None
        self._parser.forget()
        self._count_held_bytes()

    def _discard(self, count: int) -> None:
        self._discarded_bytes += count
        latest = max(self._deadline, self._loop.time() + LINGER_S)
        self._deadline = min(self._deadline + count / MIN_BYTES_PER_S, latest)
        if self._discarded_bytes > MAX_DISCARDED_BYTES:
            self._transport.abort()

    def _wait(self, seconds: float) -> None:
        self._deadline = self._loop.time() + seconds

    def _set_state(self, state: State) -> None:
        self.state = state
        self._owner.state_changed(self)

    def _count_held_bytes(self) -> None:
        answering = len(self._answering.body) if self._answering else 0
        held_bytes = self._parser.held_bytes + answering
        by, self.held_bytes = held_bytes - self.held_bytes, held_bytes
        if by:
            self._owner.held_bytes_changed(by)
