"""A connection that sends several Redis commands at once and reads replies when they are needed.

With RESP3, commands and published messages share it. It does less for each command than redis-py's client, whose
connection pool, retries and call records cost more time than the network on a request's path.
"""

import time
from collections.abc import Container
from typing import Any, NamedTuple

import redis
from hiredis import PushNotification, pack_command

from jobs.master_connection import MasterConnection
from logger import log

Command = tuple[str | bytes | float, ...]
# Sent at a time, and each piece in its own time: the jobs of a large request may take longer than a reply.
PIECE_BYTES = 1024 * 1024


class Published(NamedTuple):
    """A message, and the channel on which it came."""

    channel: bytes
    data: bytes


class PipelinedConnection:
    """For one thread at a time; connects on first use, and again after an error.

    Args:
        client: tells where and how to connect, with RESP3; its own connections are not used.

    Attributes:
        used: a call has succeeded, so the connection was good once.
    """

    def __init__(self, client: redis.Redis) -> None:
        # redis-py's types do not know the lower-level calls of a connection.
        self._connection: Any = client.connection_pool.make_connection()
        self._unread = 0
        self.used = False

    @property
    def leads_to_former_master(self) -> bool:
        """Tell whether another server is the master now, so that an error says nothing about that one."""
        return isinstance(self._connection, MasterConnection) and self._connection.is_former

    def send(self, *commands: Command) -> None:
        """Send commands whose replies are discarded; the next `call` logs their errors.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        try:
            # Not one command after the other, so that Redis is woken up once.
            self._connection.send_packed_command(_pieces(b"".join(map(_pack, commands))))
        except redis.RedisError:
            self.close()
            raise
        self._unread += len(commands)

    def call(self, *commands: Command) -> Any:
        """Send commands and return the reply to the last one.

        Raises:
            redis.RedisError: Redis cannot be reached, or has refused a command, or a part of a transaction.
        """
        # As redis-py's client does: here the client's `retry` sees that Redis hangs.
        return self._connection.retry.call_with_retry(lambda: self._call(*commands), lambda _error: None)

    def _call(self, *commands: Command) -> Any:
        earlier = self._unread
        self.send(*commands)
        for error in self._read(earlier)[1]:
            log("redis_refused", level="warning", error=error)
        reply, errors = self._read(len(commands))
        self.used = True
        if isinstance(reply, list):
            errors += [part for part in reply if isinstance(part, redis.ResponseError)]
        if any(isinstance(error, redis.ReadOnlyError) for error in errors):
            self.close()  # another server may be the master by now
        if errors:
            raise errors[0]
        return reply

    def receive(self, channels: Container[bytes], end: float) -> Published | None:
        """Wait until `end`, by time.monotonic, for a message on one of the channels; ignore all other messages.

        Raises:
            redis.RedisError: the connection is broken.
        """
        while (remaining := end - time.monotonic()) > 0:
            try:
                push = self._connection.read_response(timeout=remaining, disconnect_on_error=False, push_request=True)
            except redis.TimeoutError:
                return None
            if push[0] == b"message" and push[1] in channels:
                return Published(push[1], push[2])
        return None

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()
        self._unread = 0

    def _read(self, replies: int) -> tuple[Any, list[redis.ResponseError]]:
        """Read a number of replies; return the last one, and all errors."""
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
        """Read a reply, which may confirm a subscription; skip messages."""
        while True:
            reply = self._connection.read_response(push_request=True)
            if not (isinstance(reply, PushNotification) and reply[0] == b"message"):
                return reply


def _pack(command: Command) -> bytes:
    """Return a command on the wire, in a quarter of the time that redis-py takes around the same call."""
    packed: bytes = pack_command(command)  # type: ignore[arg-type]  # hiredis's types know one argument only
    return packed


def _pieces(data: bytes) -> list[memoryview]:
    """Cut what is long, without copying it."""
    whole = memoryview(data)
    return [whole[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)]
