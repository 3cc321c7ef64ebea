"""How every part connects to Redis, and how it tells Redis's time."""

import time
from typing import Literal, cast

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from settings import Settings

CONNECT_TIMEOUT_S = 2
SOCKET_TIMEOUT_S = 5
# Each thread has one or two connections, and that is limit enough: redis-py's own, 100, would have requests refused.
MAX_CONNECTIONS = 2**31


def connect(
    settings: Settings,
    blocking_s: float = 0,
    protocol: Literal[2, 3] = 2,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    socket_timeout_s: float = SOCKET_TIMEOUT_S,
) -> redis.Redis:
    """Return a client; the connections are made when they are first used.

    Nothing is retried behind our back: a repeated BLPOP would lose the job that the first one took off the list, a
    repeated push would queue a job twice.

    Args:
        settings: where Redis is.
        blocking_s: how long a command may block in Redis by intention, in seconds; the socket waits longer than that.
        protocol: 3 for connections on which commands and messages come together.
        connect_timeout_s: how long a connection may take, in seconds.
        socket_timeout_s: how long any other answer of Redis may take, in seconds.
    """
    return redis.Redis.from_url(
        settings.redis_url.get_secret_value(),
        protocol=protocol,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        driver_info=None,
        max_connections=MAX_CONNECTIONS,
        socket_connect_timeout=connect_timeout_s,
        socket_timeout=socket_timeout_s + blocking_s,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
    )


class RedisClock:
    """Redis's time, read from this host's steady clock, so that machines whose clocks differ agree on deadlines."""

    REFRESH_S = 60

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._offset_s: float | None = None
        self._refresh_at = 0.0

    def now(self) -> float:
        """Return Redis's time in seconds, right to within half a round trip.

        Raises:
            redis.RedisError: Redis is away, and has been so from the beginning.
        """
        if time.monotonic() >= self._refresh_at:
            self._refresh()
        return time.monotonic() + cast(float, self._offset_s)

    def _refresh(self) -> None:
        """Ask Redis, once a minute; when it is away, the last answer is good enough."""
        asked = time.monotonic()
        try:
            seconds, microseconds = self._redis.time()
        except redis.RedisError:
            if self._offset_s is None:
                raise
            self._refresh_at = time.monotonic() + 1
            return
        answered = time.monotonic()
        self._offset_s = seconds + microseconds / 1e6 - (asked + answered) / 2
        self._refresh_at = answered + self.REFRESH_S
