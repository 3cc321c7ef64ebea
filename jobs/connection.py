"""How every part connects to Redis, and how Redis's errors become the service's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from errors import ServiceUnavailable
from jobs.master_connection import connect_to_master
from jobs.tls import tls_options
from logger import log
from redis_url import is_sentinel_url
from settings import Settings

# Of workers, for whom nobody waits; web servers have less patience, see hang_detector.py.
CONNECT_TIMEOUT_S = 2
SOCKET_TIMEOUT_S = 5
# Each thread holds one or two connections, which is limit enough. redis-py's own limit, 100, would refuse requests.
MAX_CONNECTIONS = 2**31
RETRY_AFTER_S = 5
# The codes of errors with which Redis refuses to write what it would otherwise take.
WRITE_REFUSALS = ("READONLY", "NOREPLICAS", "MISCONF", "OOM")


def connect(
    settings: Settings,
    blocking_s: float = 0,
    protocol: Literal[2, 3] = 2,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    socket_timeout_s: float = SOCKET_TIMEOUT_S,
    retry: Retry | None = None,
) -> redis.Redis:
    """Return a client, which connects on first use.

    The client library retries nothing: a repeated BLPOP would lose the job that the first one popped, and a repeated
    push would queue a job twice.

    Args:
        settings: where Redis is.
        blocking_s: how long commands may block in Redis, in seconds; added to the socket's time-out.
        protocol: RESP version; 3 lets commands and published messages share a connection.
        connect_timeout_s: time-out of connecting, in seconds.
        socket_timeout_s: time-out of any other reply, in seconds.
        retry: what redis-py passes commands through; must not repeat them.
    """
    url = settings.redis_url.get_secret_value()
    options: dict[str, Any] = {
        "protocol": protocol,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "driver_info": None,
        "max_connections": MAX_CONNECTIONS,
        "socket_connect_timeout": connect_timeout_s,
        "socket_timeout": socket_timeout_s + blocking_s,
        "socket_keepalive": True,
        "retry": retry or Retry(NoBackoff(), 0),
        "retry_on_error": [],
    }
    if is_sentinel_url(url):
        return connect_to_master(settings, **options)
    if url.startswith("rediss://"):
        options |= tls_options(parse_url(url))  # type: ignore[no-untyped-call]
    return redis.Redis.from_url(url, **options)


@contextmanager
def redis_errors_as_unavailable(key: str | None = None, **log_fields: object) -> Iterator[None]:
    """Log Redis's errors and raise them as ServiceUnavailable.

    Args:
        key: what the commands are about, where it is a single key.
        log_fields: more for the log.
    """
    try:
        yield
    except redis.RedisError as error:
        log("redis_unavailable", level="error", key=key, **log_fields, error=error)
        raise ServiceUnavailable(_explain(error, key), RETRY_AFTER_S) from error


def _explain(error: redis.RedisError, key: str | None) -> str:
    # redis-py cuts the code off the messages of errors for which it has a class.
    code = error.status_code or str(error).partition(" ")[0]
    if code in WRITE_REFUSALS:
        return f"Redis refuses writes ({code}). Try again soon."
    if "WRONGTYPE" not in str(error):
        return "The queue is out of reach. Try again soon."
    if key is None:
        return "A key of the queue has the wrong type in Redis; /readyz names it."
    return f"The key {key} has the wrong type in Redis: delete it, or set another KEY_PREFIX."
