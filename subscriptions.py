"""The web server's connections for its requests: each is lent to one request at a time, and then to another.

A request sends its subscription and its job in one go, and Redis carries them out in that order: so no answer can come
too early to be heard, and nobody has to wait for the confirmation. RESP3 lets commands and messages share a connection.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis

from logger import log
from redis_line import Command, Line
from settings import Settings


class Subscriptions:
    """Lends subscriptions; safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: deque[Line] = deque()

    @contextmanager
    def to(self, channel: str) -> Iterator["Subscription"]:
        """Lend a subscription; it begins with its first command."""
        subscription = Subscription(self, channel.encode())
        try:
            yield subscription
        finally:
            subscription.end()

    def borrow(self) -> Line:
        """Return a connection, perhaps one that Redis has closed since it was last used."""
        try:
            return self._idle.pop()
        except IndexError:
            return self.new()

    def new(self) -> Line:
        """Return a connection that nobody has used yet."""
        return Line(self._settings)

    def give_back(self, line: Line) -> None:
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
        self._line: Line | None = None

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
            return self._subscribe(self._lines.new(), *commands)

    def message(self, timeout_s: float) -> bytes | None:
        """Wait for a message, or, while the connection is broken, as long without it.

        Returns:
            what was published; None when nothing came in that time.
        """
        end = time.monotonic() + timeout_s
        try:
            if self._line is None:
                self._subscribe(self._lines.new())
            return self._line.message(self._channel, end) if self._line else None
        except redis.RedisError as error:
            log("subscription_lost", level="warning", channel=self._channel.decode(), error=error)
            if self._line:
                self._line.close()
                self._line = None
            time.sleep(max(0.0, end - time.monotonic()))
            return None

    def end(self, *commands: Command) -> None:
        """Unsubscribe, and send commands to whose replies nobody listens."""
        line, self._line = self._line, None
        if line:
            with suppress(redis.RedisError):
                line.send(("UNSUBSCRIBE", self._channel), *commands)
                self._lines.give_back(line)

    def _subscribe(self, line: Line, *commands: Command) -> Any:
        self._line = line
        try:
            return line.call(("SUBSCRIBE", self._channel), *commands)
        except redis.ResponseError:
            raise  # the connection is good
        except redis.RedisError:
            self._line = None
            raise
