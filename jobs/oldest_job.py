"""Cached age of the oldest queued job; reading it makes Redis copy a whole picture."""

import math
import time
from typing import cast

import redis

from jobs.protocol import Keys
from settings import Settings

# Jobs queued within this time of each other count as equally old: web servers know Redis's time to within a round
# trip, and a push may take a moment.
SLACK_S = 1
_SCRIPT = """
local oldest = redis.call('LINDEX', KEYS[1], 0)
if not oldest then return 'inf' end
local queued_at = tonumber(string.match(string.sub(oldest, 1, 200), '"queued_at":([%d.]+)'))
return tostring(queued_at or '-inf')
"""


class OldestJob:
    """Caches what it has read for half of POLL_INTERVAL_S; safe to use from many threads.

    So a caller who asks a whole interval after a push never sees the queue as it was before that push.
    """

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self._queue = Keys(settings).queue
        self._script = client.register_script(_SCRIPT)
        self._ttl_s = settings.poll_interval_s / 2
        self._cached: tuple[float, float] = (-math.inf, 0.0)

    def is_younger_than(self, queued_at: float) -> bool:
        """Tell whether the oldest job was queued clearly later than this. An empty queue counts as younger.

        Args:
            queued_at: in seconds of Redis's own clock.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        read_at, oldest = self._cached
        now = time.monotonic()
        if now - read_at > self._ttl_s:
            oldest = float(cast(bytes, self._script(keys=[self._queue])))
            self._cached = (now, oldest)
        return oldest > queued_at + SLACK_S
