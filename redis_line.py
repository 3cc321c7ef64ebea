"""A connection to Redis on which commands go several at a time, and replies are read when they are wanted.

With RESP3, commands and published messages share it. It does less for each command than redis-py's own client, whose
pools, retries and records of every call cost more time than the network on the way of a request.
"""

import time
from typing import Any

import redis
from hiredis import PushNotification

from logger import log
from redis_connection import connect
from settings import Settings

Command = tuple[str | bytes | float, ...]


class Line:
    """For one thread at a time; connects when it is first used, and again after an error.

    Args:
        settings: where Redis is.
        blocking_s: how long a command may block in Redis by intention, in seconds.
    """

    def __init__(self, settings: Settings, blocking_s: float = 0) -> None:
        self._connection: Any = connect(settings, blocking_s, protocol=3).connection_pool.make_connection()
        self._unread = 0
        self.used = False

    def send(self, *commands: Command) -> None:
        """Send commands to whose replies nobody listens; an error is logged when the next `call` comes upon it.

        Raises:
            redis.RedisError: Redis is away.
        """
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands))
        except redis.RedisError:
            self.close()
            raise
        self._unread += len(commands)

    def call(self, *commands: Command) -> Any:
        """Send commands and return the reply to the last one.

        Raises:
            redis.RedisError: Redis is away, or has refused one of them, or a part of their transaction.
        """
        earlier = self._unread
        self.send(*commands)
        for error in self._read(earlier)[1]:
            log("redis_refused", level="warning", error=error)
        reply, errors = self._read(len(commands))
        self.used = True
        if isinstance(reply, list):
            errors += [part for part in reply if isinstance(part, redis.ResponseError)]
        if any(isinstance(error, redis.ReadOnlyError) for error in errors):
            self.close()  # the master may be another one by now
        if errors:
            raise errors[0]
        return reply

    def message(self, channel: bytes, end: float) -> bytes | None:
        """Wait until `end`, by time.monotonic, for what is published on a channel, and pass over all else.

        Raises:
            redis.RedisError: the connection is broken.
        """
        while (remaining := end - time.monotonic()) > 0:
            try:
                push = self._connection.read_response(timeout=remaining, disconnect_on_error=False, push_request=True)
            except redis.TimeoutError:
                return None
            if push[:2] == [b"message", channel]:
                data: bytes = push[2]
                return data
        return None

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()
        self._unread = 0

    def _read(self, replies: int) -> tuple[Any, list[redis.ResponseError]]:
        """Read so many replies; return the last one, and what Redis has refused."""
        reply, errors = None, []
        for _ in range(replies):
            try:
                reply = self._next_reply()
            except redis.ResponseError as error:
                errors.append(error)
            except redis.RedisError:
                self.close()
                raise
            self._unread -= 1
        return reply, errors

    def _next_reply(self) -> Any:
        """Read a reply, be it the confirmation of a subscription, and pass over messages."""
        while True:
            reply = self._connection.read_response(push_request=True)
            if not (isinstance(reply, PushNotification) and reply[0] == b"message"):
                return reply
