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

    # Its client.
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

    def start_request(self, connection: "Connection", request: Request, watch: ClientWatch) -> None:
        """Have the request answered by a thread, which ends in `connection.send`."""

    def state_changed(self, connection: "Connection") -> None:
        """It waits for something else now."""

    def held_bytes_changed(self, by: int) -> None:
        """Bodies have come, or have gone."""

    def refused(self, refusal: RequestRefused, client: Address) -> None:
        """A request has been answered without the app."""


class Connection(asyncio.Protocol):
    """Lives in the event loop's thread; others may only call `send`.

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
        self._answering: Request | None = None
        self._refusal: RequestRefused | None = None
        self._held_bytes = 0
        self._discarded_bytes = 0
        self._early_data = b""
        self._sends_no_more = False
        self._can_write = True
        self._wait(owner.limits.client_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._set_state(State.RECEIVING)

    def connection_lost(self, _error: Exception | None) -> None:
        """End; a thread that still answers will find nobody."""
        self._parser.forget()
        self._set_state(State.CLOSED)
        self._count_held_bytes()

    def data_received(self, data: bytes) -> None:
        """Take what has come, and begin to answer when a request is whole."""
        if self.state is State.LINGERING:
            self._discard(len(data))
        elif self.state is State.ANSWERING:
            # A pipeline: its next request has to wait for its turn, and what follows for that.
            self._early_data = data
            self._transport.pause_reading()
        else:
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        stage = self._parser.stage
        try:
            self._parser.feed(data)
        except RequestRefused as refusal:
            self._refusal = refusal
        if self._parser.stage is not stage:
            self._wait(self._owner.limits.client_s)
        self._count_held_bytes()
        self._advance()

    def eof_received(self) -> bool:
        """Refuse what is not whole; return whether the connection stays open for an answer."""
        self._sends_no_more = True
        if self.state is State.RECEIVING:
            try:
                self._parser.check_complete()
            except RequestRefused as refusal:
                self._refusal = refusal
            self._advance()
        return self.state is State.ANSWERING

    def pause_writing(self) -> None:
        """Answer no more while the client does not read."""
        self._can_write = False

    def resume_writing(self) -> None:
        """Answer again."""
        self._can_write = True
        self._advance()

    @property
    def held_bytes(self) -> int:
        """How many bytes of bodies this connection keeps in memory."""
        return self._held_bytes

    def send(self, response: Response) -> None:
        """Send the answer to the request that was started last; called by the thread that has it.

        The thread writes to the socket, so that the client need not wait for the event loop. Nobody else writes while
        a request is being answered.
        """
        keep_alive = self._keeps_alive()
        data = response.serialized(keep_alive)
        sent = 0
        if not self._transport.get_write_buffer_size():
            with suppress(OSError):  # the event loop will find out what is wrong
                sent = self._socket.send(data, socket.MSG_DONTWAIT)
        self._loop.call_soon_threadsafe(self._sent, data[sent:], keep_alive)

    def _keeps_alive(self) -> bool:
        may = self._answering and self._answering.keep_alive
        return bool(may and not self._sends_no_more and not self._owner.is_draining)

    def _sent(self, rest: bytes, keep_alive: bool) -> None:
        request, self._answering = self._answering, None
        self._count_held_bytes()
        if self.state is State.CLOSED or not request:
            return
        if rest:
            self._transport.write(rest)
        if keep_alive:
            self._wait(KEEPALIVE_S)
            self._set_state(State.RECEIVING)
            self._go_on()
        elif len(request.body) == request.body_bytes:
            self._wait(KEEPALIVE_S)
            self._set_state(State.LINGERING)
            self._transport.close()
        else:
            self._transport.resume_reading()
            self._linger()

    def _go_on(self) -> None:
        """Continue with what came during the last answer."""
        self._advance()
        if self._early_data and self.state is State.RECEIVING:
            data, self._early_data = self._early_data, b""
            self._transport.resume_reading()
            self._receive(data)

    def refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer what has come so far with an error, and close."""
        self._refusal = RequestRefused(status, detail)
        self._parser.whole.clear()
        self._advance()

    def check_time(self) -> None:
        """Drop a client that has had its time, with a word if it had begun to send a request."""
        if self.state is State.ANSWERING or self._loop.time() < self._deadline + self._extra_s():
            return
        if self.state is State.RECEIVING and self._parser.stage is not Stage.IDLE and self._can_write:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive.")
        else:
            self._transport.abort()

    def drop(self, status: HTTPStatus, detail: str) -> None:
        """Make room for others: close, with a word if the client had begun to send a request."""
        if self.state is State.RECEIVING and self._parser.stage is not Stage.IDLE:
            self.refuse(status, detail)
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # since it does not even read
        else:
            self._transport.close()

    def close_if_idle(self) -> None:
        """Close a connection on which no request has begun."""
        if self.state is State.RECEIVING and self._parser.stage is Stage.IDLE:
            self._transport.close()

    def _advance(self) -> None:
        """Begin with what comes next, if the answer to it could be sent."""
        if self.state is not State.RECEIVING or not self._can_write:
            return
        if self._parser.whole:
            self._answering = request = self._parser.whole.popleft()
            self._set_state(State.ANSWERING)
            may_probe = request.version == "1.1" and not self._transport.get_write_buffer_size()
            self._owner.start_request(self, request, ClientWatch(self._socket, may_probe))
        elif self._refusal:
            self._owner.refused(self._refusal, self.client)
            self._transport.write(problem(self._refusal).serialized(keep_alive=False))
            self._linger()
        elif self._parser.expects_continue:
            self._parser.expects_continue = False
            self._transport.write(CONTINUE)

    def _linger(self) -> None:
        """Read on until the client has read the answer: it would get a reset instead otherwise."""
        self._parser.forget()
        self._count_held_bytes()
        self._wait(LINGER_S)
        self._set_state(State.LINGERING)
        with suppress(OSError):  # where the client has reset the connection
            self._transport.write_eof()

    def _discard(self, count: int) -> None:
        self._discarded_bytes += count
        self._wait(LINGER_S)
        if self._discarded_bytes > MAX_DISCARDED_BYTES:
            self._transport.abort()

    def _wait(self, seconds: float) -> None:
        self._deadline = self._loop.time() + seconds

    def _extra_s(self) -> float:
        return self._parser.received_bytes / MIN_BYTES_PER_S

    def _set_state(self, state: State) -> None:
        self.state = state
        self._owner.state_changed(self)

    def _count_held_bytes(self) -> None:
        answering = len(self._answering.body) if self._answering else 0
        held_bytes = self._parser.held_bytes + answering
        by, self._held_bytes = held_bytes - self._held_bytes, held_bytes
        if by:
            self._owner.held_bytes_changed(by)
