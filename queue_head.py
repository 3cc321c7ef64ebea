"""How young the job at the queue's head is, seldom read, whoever asks: for Redis that means to copy a whole picture."""

import math
import time
from typing import cast

import redis

from job_protocol import Keys
from settings import Settings

# Jobs that were queued within this time of each other count as equally old: a web server knows Redis's time to within a
# round trip, and a push may take a moment.
SLACK_S = 1
_SCRIPT = """
local head = redis.call('LINDEX', KEYS[1], 0)
if not head then return 'inf' end
local queued_at = tonumber(string.match(string.sub(head, 1, 200), '"queued_at":([%d.]+)'))
return tostring(queued_at or '-inf')
"""


class QueueHead:
    """Remembers for half of POLL_INTERVAL_S what it has read; safe to use from many threads.

    So whoever asks a whole interval after a push never gets to know the head as it was before that push.
    """

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self._queue = Keys(settings).queue
        self._script = client.register_script(_SCRIPT)
        self._valid_s = settings.poll_interval_s / 2
        self._read: tuple[float, float] = (-math.inf, 0.0)

    def is_younger_than(self, queued_at: float) -> bool:
        """Tell whether the head was queued clearly later than this, as if it were so where the queue is empty.

        Args:
            queued_at: in seconds of Redis's own clock.

        Raises:
            redis.RedisError: Redis is away.
        """
        read_at, head = self._read
        now = time.monotonic()
        if now - read_at > self._valid_s:
            head = float(cast(bytes, self._script(keys=[self._queue])))
            self._read = (now, head)
        return head > queued_at + SLACK_S
