"""Counts requests in Redis, so that a limit holds across all web servers."""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

import redis
from limits import RateLimitItem
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from jobs.protocol import Keys
from settings import Settings

# A network, and often a single host, gets a /64 and may use all of its addresses: RFC 4291, section 2.5.4; RFC 8273.
IPV6_PREFIX_BITS = 64


class Wait(NamedTuple):
    """How long a request has to wait, in seconds, and the limit that makes it wait so long."""

    seconds: int
    limit: RateLimitItem


class RequestCounter:
    """Counts in sliding windows; safe to use from many threads.

    Args:
        settings: the namespace of the counters.
        client: where they are.
        limits: all of them hold.
    """

    def __init__(self, settings: Settings, client: redis.Redis, limits: Sequence[RateLimitItem]) -> None:
        pool = client.connection_pool
        self._storage = RedisStorage("redis://", connection_pool=pool, key_prefix=Keys(settings).rate_limit)
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._limits = limits

    def hit(self, *names: str, cost: int = 1) -> bool:
        """Count a request of whom the names identify, or as many requests as it costs, unless a limit refuses it.

        Returns:
            whether it is within all limits; otherwise none counts it.

        Raises:
            redis.RedisError: Redis cannot count.
        """
        for number, limit in enumerate(self._limits):
            if not self._limiter.hit(limit, *names, cost=cost):
                self._give_back(self._limits[:number], *names, cost=cost)
                return False
        return True

    def give_back(self, *names: str, cost: int = 1) -> None:
        """Undo a hit of just now.

        Raises:
            redis.RedisError: Redis cannot count.
        """
        self._give_back(self._limits, *names, cost=cost)

    def wait(self, *names: str, cost: int = 1) -> Wait:
        """Return how long a request has to wait until all limits let it pass, if there is no other meanwhile.

        Args:
            names: whose request it is.
            cost: for how many it counts; no limit may be lower.

        Raises:
            redis.RedisError: Redis cannot count.
        """
        waits = [Wait(self._wait_s(limit, *names, cost=cost), limit) for limit in self._limits]
        return max(waits, key=lambda wait: wait.seconds)

    def _give_back(self, limits: Sequence[RateLimitItem], *names: str, cost: int) -> None:
        for limit in limits:
            # The script adds what it is told to; less than nothing never exceeds a limit.
            self._limiter.hit(limit, *names, cost=-cost)

    def _wait_s(self, limit: RateLimitItem, *names: str, cost: int) -> int:
        """Solve the script's condition for the time: floor(previous * left_s / window_s) + current + cost <= amount."""
        window_s = limit.get_expiry()
        previous, left_s, current, current_left_s = self._storage.get_sliding_window(limit.key_for(*names), window_s)
        room = limit.amount - cost - current
        if room < 0:  # not before this window is the previous one
            previous, left_s, room = current, current_left_s, limit.amount - cost
        wait_s = left_s - (room + 1) * window_s / previous if previous > 0 else 0.0
        return max(1, int(wait_s) + 1)  # later, not at the very moment


def client_of(address: str) -> str:
    """Return the name under which an address is counted: of an IPv6 address it is the network."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), IPV6_PREFIX_BITS), strict=False))
