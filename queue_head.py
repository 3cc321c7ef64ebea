"""How young the job at the queue's head is, read once for all who ask: for Redis that means to copy a whole picture."""

import math
import time
from typing import cast

import redis

from job_protocol import Keys
from settings import Settings

# Jobs whose deadlines are closer than this count as equally old: web servers know Redis's time to within a round trip.
SLACK_S = 1
_SCRIPT = """
local head = redis.call('LINDEX', KEYS[1], 0)
if not head then return 'inf' end
local deadline = tonumber(string.match(string.sub(head, 1, 200), '"deadline":([%d.]+)'))
return tostring(deadline or '-inf')
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

    def is_younger_than(self, deadline: float) -> bool:
        """Tell whether the head's deadline is clearly later than this one, which an empty queue's is too.

        Raises:
            redis.RedisError: Redis is away.
        """
        read_at, head = self._read
        now = time.monotonic()
        if now - read_at > self._valid_s:
            head = float(cast(bytes, self._script(keys=[self._queue])))
            self._read = (now, head)
        return head > deadline + SLACK_S
