"""Redis's time, so that machines whose clocks differ agree on deadlines."""

import time
from typing import cast

import redis

from jobs.master_connection import locator_of

REFRESH_S = 60
# After a failed refresh, the old offset is used for this long before Redis is asked again.
RETRY_S = 1


class RedisClock:
    """Computes Redis's time from the local monotonic clock and an offset of this master, refreshed once a minute."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._locator = locator_of(client)
        self._master = self._locator and self._locator.known
        self._offset_s: float | None = None
        self._refresh_at = 0.0

    def now(self) -> float:
        """Return Redis's time in seconds, accurate to half a round trip.

        Raises:
            redis.RedisError: Redis cannot be reached, and never could.
        """
        self._keep_fresh()
        return time.monotonic() + cast(float, self._offset_s)

    def at(self, moment: float) -> float:
        """Return Redis's time at a moment of time.monotonic, in seconds.

        Raises:
            redis.RedisError: Redis cannot be reached, and never could.
        """
        self._keep_fresh()
        return moment + cast(float, self._offset_s)

    def _keep_fresh(self) -> None:
        if time.monotonic() >= self._refresh_at or (self._locator and self._locator.known != self._master):
            self._refresh()

    def _refresh(self) -> None:
        self._master = self._locator and self._locator.known
        asked = time.monotonic()
        try:
            seconds, microseconds = self._redis.time()
        except redis.RedisError:
            if self._offset_s is None:
                raise
            self._refresh_at = time.monotonic() + RETRY_S
            return
        answered = time.monotonic()
        self._offset_s = seconds + microseconds / 1e6 - (asked + answered) / 2
        self._refresh_at = answered + REFRESH_S
