"""The web server's connections for its requests: each is lent to one request at a time, and then to another.

A request sends its subscription and its job in one go, and Redis carries them out in that order: so no answer can come
too early to be heard, and nobody has to wait for the confirmation. RESP3 lets commands and messages share a connection.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.connection import ConnectionInterface

from job_protocol import connect
from logger import log
from settings import Settings

Command = tuple[str | bytes | float, ...]


class Subscriptions:
    """Lends subscriptions; safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._pool = connect(settings, protocol=3).connection_pool
        self._idle: deque[_Line] = deque()

    @contextmanager
    def to(self, channel: str) -> Iterator["Subscription"]:
        """Lend a subscription; it begins with its first command."""
        subscription = Subscription(self, channel.encode())
        try:
            yield subscription
        finally:
            subscription.end()

    def borrow(self) -> "_Line":
        """Return a connection, perhaps one that Redis has closed since it was last used."""
        try:
            return self._idle.pop()
        except IndexError:
            return _Line(self._pool.make_connection())

    def give_back(self, line: "_Line") -> None:
        """Keep a connection for the next request."""
        self._idle.append(line)

    def forget_idle(self) -> None:
        """Drop all connections that nobody uses: Redis has closed one, and the others are as old."""
        self._idle.clear()


class Subscription:
    """One channel on one connection, which is replaced when it breaks."""

    def __init__(self, lines: Subscriptions, channel: bytes) -> None:
        self._lines = lines
        self._channel = channel
        self._line: _Line | None = None

    def call(self, *commands: Command) -> Any:
        """Subscribe, and in the same go have Redis carry out these commands.

        When an old connection turns out to be closed, all is sent again on a new one.

        Returns:
            the reply to the last command.

        Raises:
            redis.RedisError: Redis is away, or has refused a command.
        """
        line = self._lines.borrow()
        try:
            return self._subscribe(line, *commands)
        except redis.ConnectionError:
            if not line.used:
                raise
            self._lines.forget_idle()
            return self._subscribe(self._lines.borrow(), *commands)

    def message(self, timeout_s: float) -> bytes | None:
        """Wait for a message, or, while the connection is broken, as long without it.

        Returns:
            what was published; None when nothing came in that time.
        """
        end = time.monotonic() + timeout_s
        try:
            if self._line is None:
                self._subscribe(self._lines.borrow())
            return self._line.message(self._channel, end) if self._line else None
        except redis.RedisError as error:
            log("subscription_lost", level="warning", channel=self._channel.decode(), error=error)
            self._close()
            time.sleep(max(0.0, end - time.monotonic()))
            return None

    def end(self, *commands: Command) -> None:
        """Unsubscribe, and send commands to whose replies nobody listens."""
        if self._line is None:
            return
        try:
            self._line.send(("UNSUBSCRIBE", self._channel), *commands, replies=len(commands))
        except redis.RedisError:
            self._close()
            return
        self._lines.give_back(self._line)
        self._line = None

    def _subscribe(self, line: "_Line", *commands: Command) -> Any:
        self._line = line
        try:
            return line.call(("SUBSCRIBE", self._channel), *commands, replies=len(commands))
        except redis.RedisError:
            self._close()
            raise

    def _close(self) -> None:
        if self._line:
            self._line.close()
            self._line = None


class _Line:
    """A connection on which commands are sent several at a time, and their replies read when they are wanted."""

    def __init__(self, connection: ConnectionInterface) -> None:
        self._connection = connection
        self._unread = 0
        self.used = False

    def send(self, *commands: Command, replies: int) -> None:
        """Send commands, of which so many will be replied to; subscriptions are confirmed by a message instead."""
        packed = self._connection.pack_commands(commands)  # type: ignore[no-untyped-call]
        self._connection.send_packed_command(packed)  # type: ignore[no-untyped-call]
        self._unread += replies

    def call(self, *commands: Command, replies: int) -> Any:
        """Send commands and return the last reply."""
        self.send(*commands, replies=replies)
        reply = None
        while self._unread:
            reply = self._connection.read_response()  # messages before it are passed over
            self._unread -= 1
        self.used = True
        return reply

    def message(self, channel: bytes, end: float) -> bytes | None:
        """Wait until `end` for what is published on a channel, and pass over all else."""
        while (remaining := end - time.monotonic()) > 0:
            try:
                reply = self._connection.read_response(timeout=remaining, disconnect_on_error=False, push_request=True)
            except redis.TimeoutError:
                return None
            if reply[:2] == [b"message", channel]:
                data: bytes = reply[2]
                return data
        return None

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()  # type: ignore[no-untyped-call]
