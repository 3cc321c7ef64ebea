"""Pub/sub connections of the web server: kept open, and lent to one request at a time."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis
from redis.client import PubSub

from job_protocol import SOCKET_TIMEOUT_S
from logger import log


class Subscriptions:
    """Lends subscriptions; safe to use from many threads."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._idle: deque[PubSub] = deque()

    @contextmanager
    def to(self, channel: str) -> Iterator["Subscription"]:
        """Subscribe, wait until Redis has confirmed it, and lend the subscription.

        Raises:
            redis.RedisError: Redis is away.
        """
        subscription = self._confirmed(channel)
        try:
            yield subscription
        finally:
            if pubsub := subscription.end():
                self._idle.append(pubsub)

    def _confirmed(self, channel: str) -> "Subscription":
        with suppress(IndexError):
            pubsub = self._idle.pop()
            try:
                return Subscription(self._redis, channel, pubsub)
            except redis.RedisError:
                # Redis has been restarted, or has closed an idle connection: the others are as old.
                self._idle.clear()
        return Subscription(self._redis, channel)


class Subscription:
    """One channel on one connection, which is replaced when it breaks."""

    def __init__(self, client: redis.Redis, channel: str, pubsub: PubSub | None = None) -> None:
        self._redis = client
        self._channel = channel
        self._pubsub: PubSub | None = None
        self._open(pubsub or client.pubsub())  # type: ignore[no-untyped-call]

    def message(self, timeout_s: float) -> bytes | None:
        """Wait for the message; while the connection is broken, as long without it.

        Returns:
            what was published; None when nothing came in that time.
        """
        end = time.monotonic() + timeout_s
        try:
            if self._pubsub is None:
                self._open(self._redis.pubsub())  # type: ignore[no-untyped-call]
            return self._next("message", timeout_s)
        except redis.RedisError as error:
            log("subscription_lost", level="warning", channel=self._channel, error=error)
            self._close()
            time.sleep(max(0.0, end - time.monotonic()))
            return None

    def end(self) -> PubSub | None:
        """Unsubscribe, and return the connection if it is good for another channel."""
        pubsub = self._pubsub
        try:
            if pubsub:
                # The confirmation of this is read, and passed over, by the next one who borrows the connection.
                pubsub.unsubscribe(self._channel)  # type: ignore[no-untyped-call]
        except redis.RedisError:
            self._close()
        return self._pubsub

    def _open(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub
        try:
            pubsub.subscribe(self._channel)
            if self._next("subscribe", SOCKET_TIMEOUT_S) is None:
                raise redis.TimeoutError("the subscription was not confirmed")
        except redis.RedisError:
            self._close()
            raise

    def _close(self) -> None:
        if self._pubsub:
            self._pubsub.close()
            self._pubsub = None

    def _next(self, kind: str, timeout_s: float) -> bytes | None:
        """Wait for a message of one kind.

        What the borrower before us left unread comes before the confirmation of our own channel, and is passed over.
        """
        end = time.monotonic() + timeout_s
        while self._pubsub and (remaining := end - time.monotonic()) > 0:
            message = self._pubsub.get_message(timeout=remaining)
            if message and message["type"] == kind:
                data: bytes = message["data"]
                return data
        return None
