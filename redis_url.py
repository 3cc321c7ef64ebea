"""Checks the URL of a Redis, with or without Sentinels."""

import re
from urllib.parse import urlsplit

import redis

from sentinel_url import is_sentinel_url, parse_sentinel_url


def check_redis_url(url: str) -> None:
    """Refuse an address that no Redis client accepts, or takes for another one.

    Raises:
        ValueError: it is one. No part of the URL is quoted, since it may hold a password.
    """
    if is_sentinel_url(url):
        url = parse_sentinel_url(url).server_url
    if not url.startswith(("redis://", "rediss://")):
        schemes = "redis:// or, for TLS, rediss://; with Sentinel redis+sentinel:// or rediss+sentinel://"
        raise ValueError(f"must begin with {schemes}")
    try:
        redis.ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError):
        # From None, since the message may contain a part of the URL.
        raise ValueError("its port, database or options are invalid") from None
    # redis-py makes 0 of /x, and 12 of /1/2.
    if not re.fullmatch("/?[0-9]*", urlsplit(url).path):
        raise ValueError("the database after the host must be a number: redis://host:6379/0")
