"""The channels on which web servers receive results, over connections that requests lease in turn.

A request sends its subscriptions and its jobs at once, and Redis executes them in that order: no result can come too
early to be heard, and nobody waits for the confirmation. RESP3 lets commands and messages share a connection.
"""

import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import redis

from jobs.hang_detector import connect_impatiently, hang_detector
from jobs.pipelined_connection import Command, PipelinedConnection, Published
from logger import log
from settings import Settings

# A connection that was idle for so long is left over from a burst. Each request closes a few of them at most.
IDLE_S = 30
CLOSED_AT_ONCE = 2


class IdleConnection(NamedTuple):
    """A connection that waits for its next request, and since when, by time.monotonic."""

    connection: PipelinedConnection
    since: float


class ReplyChannels:
    """Leases connections with channels; safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._client = connect_impatiently(settings, protocol=3)
        self._idle: deque[IdleConnection] = deque()
        hang_detector(settings).drop_when_hung(self.drop_idle)

    @contextmanager
    def lease(self, *names: str) -> Iterator["LeasedChannels"]:
        """Lease channels of these names, which share a connection; the first command subscribes to them."""
        channels = LeasedChannels(self, [name.encode() for name in names], self._idle)
        try:
            yield channels
        finally:
            channels.release()

    def take_connection(self) -> PipelinedConnection:
        """Return an idle connection, which Redis may have closed meanwhile, or a new one."""
        try:
            return self._idle.pop().connection
        except IndexError:
            return self.new_connection()

    def new_connection(self) -> PipelinedConnection:
        """Return a connection that nobody has used yet."""
        return PipelinedConnection(self._client)

    def drop_idle(self) -> None:
        """Drop all idle connections: one of them has turned out to be dead, and the others are as old.

        Those that are leased now return to the old list, and are dropped with it.
        """
        self._idle = deque()


class LeasedChannels:
    """The channels of one request on one connection, which is replaced when it breaks.

    Args:
        pool: where its connections come from.
        names: of the channels.
        idle: keeps its connection for the next request.
    """

    def __init__(self, pool: ReplyChannels, names: Collection[bytes], idle: deque[IdleConnection]) -> None:
        self._pool = pool
        self._names = names
        self._idle = idle
        self._connection: PipelinedConnection | None = None

    def call(self, *commands: Command) -> Any:
        """Subscribe, and execute commands in the same round trip.

        When an idle connection turns out to be closed, or one to lead to a former master, everything is sent again on a
        new one.

        Returns:
            the reply to the last command.

        Raises:
            redis.RedisError: Redis cannot be reached, or has refused a command.
        """
        connection = self._pool.take_connection()
        while True:
            try:
                return self._subscribe(connection, *commands)
            except redis.ConnectionError:
                if not (connection.used or connection.leads_to_former_master):
                    raise
            self._pool.drop_idle()
            connection = self._pool.new_connection()

    def receive(self, timeout_s: float) -> Published | None:
        """Wait for a message; while the connection is broken, wait as long without one.

        Returns:
            what was published, and where; None when nothing came in that time.
        """
        end = time.monotonic() + timeout_s
        try:
            if self._connection is None:
                self._subscribe(self._pool.new_connection())
            return self._connection.receive(self._names, end) if self._connection else None
        except redis.RedisError as error:
            channel = b",".join(self._names).decode()
            log("reply_channel_lost", level="warning", channel=channel, error=error)
            if self._connection:
                self._connection.close()
                self._connection = None
            time.sleep(max(0.0, end - time.monotonic()))
            return None

    def release(self, *commands: Command) -> None:
        """Unsubscribe, and send commands whose replies are discarded."""
        connection, self._connection = self._connection, None
        if connection:
            with suppress(redis.RedisError):
                connection.send(*(("UNSUBSCRIBE", name) for name in self._names), *commands)
                self._idle.append(IdleConnection(connection, time.monotonic()))
            _close_unneeded(self._idle)

    def _subscribe(self, connection: PipelinedConnection, *commands: Command) -> Any:
        self._connection = connection
        try:
            return connection.call(*(("SUBSCRIBE", name) for name in self._names), *commands)
        except redis.ResponseError:
            raise  # the connection is good
        except redis.RedisError:
            self._connection = None
            raise


def _close_unneeded(idle: deque[IdleConnection]) -> None:
    """Close some that have been idle for long; these gather at the left, since requests take from the right."""
    with suppress(IndexError):  # there are no more
        for _ in range(CLOSED_AT_ONCE):
            if time.monotonic() - idle[0].since < IDLE_S:
                return
            idle.popleft().connection.close()
