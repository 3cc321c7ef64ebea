"""How full the queue is and how many workers are alive, in one look that never takes long."""

from dataclasses import dataclass
from typing import cast

import redis

from job_protocol import Keys
from redis_connection import connect
from settings import Settings

# Who watches the service wants to hear soon that Redis is away: one of these to connect, one to ask.
TIMEOUT_S = 0.3

# In Redis's own time, like the heartbeats.
_STATE_SCRIPT = """
local seen_since = redis.call('TIME')[1] - ARGV[1]
return {redis.call('LLEN', KEYS[1]), redis.call('ZCOUNT', KEYS[2], seen_since, '+inf')}
"""


@dataclass(frozen=True)
class QueueState:
    """Jobs that wait, jobs that may wait, and workers alive."""

    depth: int
    capacity: int
    workers: int


class QueueWatch:
    """Looks at the queue; safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = Keys(settings)
        client = connect(settings, connect_timeout_s=TIMEOUT_S, socket_timeout_s=TIMEOUT_S)
        self._script = client.register_script(_STATE_SCRIPT)

    def look(self) -> QueueState | None:
        """Return what Redis says; None when it is away."""
        keys = [self._keys.queue, self._keys.workers]
        try:
            depth, workers = cast(list[int], self._script(keys=keys, args=[self._settings.heartbeat_ttl_s]))
        except redis.RedisError:
            return None
        return QueueState(depth, self._settings.queue_capacity, workers)
