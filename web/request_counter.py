"""Counts requests in Redis, so that a limit holds across all web servers."""

import ipaddress
import time

import redis
from limits import RateLimitItem
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from jobs.protocol import Keys
from settings import Settings

# A network, and often a single host, gets a /64 and may use all of its addresses: RFC 4291, section 2.5.4; RFC 8273.
IPV6_PREFIX_BITS = 64


class RequestCounter:
    """Counts in sliding windows; safe to use from many threads.

    Args:
        settings: the namespace of the counters.
        client: where they are.
    """

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        pool = client.connection_pool
        storage = RedisStorage("redis://", connection_pool=pool, key_prefix=Keys(settings).rate_limit)
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    def hit(self, limit: RateLimitItem, *names: str, cost: int = 1) -> int:
        """Count a request of whom the names identify, or as many requests as it costs, all of them or none.

        Returns:
            0 if it is within the limit; otherwise when it would be, in seconds.

        Raises:
            redis.RedisError: Redis cannot count.
        """
        if self._limiter.hit(limit, *names, cost=cost):
            return 0
        return max(1, round(self._limiter.get_window_stats(limit, *names).reset_time - time.time()))


def client_of(address: str) -> str:
    """Return the name under which an address is counted: of an IPv6 address it is the network."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), IPV6_PREFIX_BITS), strict=False))
