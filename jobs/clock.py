"""Redis's time, so that machines whose clocks differ agree on deadlines."""

import time
from typing import cast

import redis

from jobs.master_connection import locator_of

REFRESH_S = 5
# After a failed refresh, the old offset is used for this long before Redis is asked again.
RETRY_S = 1
# The monotonic clock stops while the machine sleeps. When its own other clock has moved against it by more than this,
# in seconds, it has slept, or that clock was set, and Redis's perhaps, too.
MAX_JUMP_S = 0.5


class RedisClock:
    """Computes Redis's time from the local monotonic clock and an offset of this master, which is often refreshed."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._locator = locator_of(client)
        self._master = self._locator and self._locator.known
        self._offset_s: float | None = None
        self._refresh_at = 0.0
        self._local_offset_s = _local_offset_s()

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
        has_jumped = abs(_local_offset_s() - self._local_offset_s) > MAX_JUMP_S
        is_another = self._locator and self._locator.known != self._master
        if has_jumped or is_another or time.monotonic() >= self._refresh_at:
            self._refresh()

    def _refresh(self) -> None:
        self._master = self._locator and self._locator.known
        self._local_offset_s = _local_offset_s()
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


def _local_offset_s() -> float:
    return time.time() - time.monotonic()
