"""Who may use the service, and how often: API keys and a rate limit, each only where it is set."""

import hashlib
import hmac
import time

import redis
from limits import RateLimitItem, parse_many
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from errors import QueueUnavailable, TooManyRequests, Unauthorized
from job_queue import OUT_OF_REACH
from logger import log
from redis_connection import connect
from settings import Settings

SCHEME = "Bearer "


class Access:
    """Checks each request before anything is done for it."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [_digest(key) for key in settings.api_keys.get_secret_value().replace(",", " ").split()]
        self._limits: list[RateLimitItem] = parse_many(settings.rate_limit) if settings.rate_limit else []
        if self._limits:
            # Counted in Redis, so that the limit holds across all web servers.
            pool = connect(settings).connection_pool
            storage = RedisStorage("redis://", connection_pool=pool, key_prefix=f"{settings.key_prefix}limit")
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
        client = address
        if self._keys:
            client = self._known(authorization)
        for limit in self._limits:
            self._count(limit, client)

    def _known(self, authorization: str) -> str:
        """Return the name under which the key's requests are counted."""
        digest = _digest(authorization.removeprefix(SCHEME).strip())
        # Every key is compared, in a time that tells nothing of how much of it was right.
        matches = [hmac.compare_digest(digest, key) for key in self._keys]
        if not authorization.startswith(SCHEME) or not any(matches):
            raise Unauthorized("Send one of the service's API keys, as the header `Authorization: Bearer KEY`.")
        return digest.hex()[:16]

    def _count(self, limit: RateLimitItem, client: str) -> None:
        try:
            if self._limiter.hit(limit, client):
                return
            reset_at = self._limiter.get_window_stats(limit, client).reset_time
        except redis.RedisError as error:
            log("redis_unavailable", level="error", error=error)
            raise QueueUnavailable(*OUT_OF_REACH) from error
        wait_s = max(1, round(reset_at - time.time()))
        raise TooManyRequests(f"No more than {limit} are allowed. Try again soon.", retry_after_s=wait_s)


def _digest(key: str) -> bytes:
    """Make keys of all lengths equally long, for the comparison."""
    return hashlib.sha256(key.encode()).digest()
