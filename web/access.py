"""Who may use the service, and how often: API keys and a rate limit, each only where it is set."""

import hashlib
import hmac
import time

from limits import RateLimitItem, parse_many
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from errors import TooManyRequests, Unauthorized
from jobs.connection import connect, redis_errors_as_unavailable
from jobs.protocol import Keys
from settings import Settings

SCHEME = "bearer"


class Access:
    """Checks each request before anything is done for it."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [_digest(key) for key in settings.api_keys.get_secret_value().replace(",", " ").split()]
        self._limits: list[RateLimitItem] = parse_many(settings.rate_limit) if settings.rate_limit else []
        if self._limits:
            # Counted in Redis, so that the limit holds across all web servers.
            pool = connect(settings).connection_pool
            storage = RedisStorage("redis://", connection_pool=pool, key_prefix=Keys(settings).rate_limit)
            self._limiter = SlidingWindowCounterRateLimiter(storage)

    def check(self, authorization: str, address: str) -> None:
        """Let a request pass, and count it.

        Args:
            authorization: the request's header of that name.
            address: where the request came from.

        Raises:
            Unauthorized: API_KEYS is set, and the header holds none of them.
            TooManyRequests: this client has reached RATE_LIMIT.
            QueueUnavailable: Redis, which counts, is away.
        """
        client = self._authenticate(authorization) if self._keys else address
        for limit in self._limits:
            self._count(limit, client)

    def _authenticate(self, authorization: str) -> str:
        """Return the name under which the key's requests are counted."""
        scheme, _, key = authorization.partition(" ")
        digest = _digest(key.strip())
        # All keys are compared, in constant time, so that the time tells nothing about them.
        matches = [hmac.compare_digest(digest, known) for known in self._keys]
        # Schemes are case-insensitive: RFC 9110, section 11.1.
        if scheme.lower() != SCHEME or not any(matches):
            raise Unauthorized("Send one of the service's API keys, as the header `Authorization: Bearer KEY`.")
        return digest.hex()[:16]

    def _count(self, limit: RateLimitItem, client: str) -> None:
        with redis_errors_as_unavailable():
            if self._limiter.hit(limit, client):
                return
            reset_at = self._limiter.get_window_stats(limit, client).reset_time
        wait_s = max(1, round(reset_at - time.time()))
        raise TooManyRequests(f"The limit is {limit}. Try again in {wait_s} s.", retry_after_s=wait_s)


def _digest(key: str) -> bytes:
    """Hash a key, so that keys of all lengths compare in the same time."""
    return hashlib.sha256(key.encode()).digest()
