"""What is going on in Redis: the queue's depth, and the living workers."""

from typing import cast

import redis

from jobs.clock import RedisClock
from jobs.connection import connect, redis_errors_as_unavailable
from jobs.observers import QueueState
from jobs.protocol import Keys, WorkerInfo
from settings import Settings

# Monitoring must notice soon that Redis is away: one of these to connect, one to ask.
STATE_TIMEOUT_S = 0.3

# In Redis's own time, like the heartbeats.
_STATE_SCRIPT = """
local seen_since = redis.call('TIME')[1] - ARGV[1]
return {redis.call('LLEN', KEYS[1]), redis.call('ZCOUNT', KEYS[2], seen_since, '+inf')}
"""


class QueueMonitor:
    """Reads the state of the queue and its workers; safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._heartbeat_ttl_s = settings.heartbeat_ttl_s
        self._capacity = settings.queue_capacity
        self._keys = Keys(settings)
        self._redis = connect(settings)
        self._clock = RedisClock(self._redis)
        impatient = connect(settings, connect_timeout_s=STATE_TIMEOUT_S, socket_timeout_s=STATE_TIMEOUT_S)
        self._state_script = impatient.register_script(_STATE_SCRIPT)

    def state(self) -> QueueState | None:
        """Return the state of the queue, within a second; None when Redis is away."""
        keys = [self._keys.queue, self._keys.workers]
        try:
            depth, workers = cast(list[int], self._state_script(keys=keys, args=[self._heartbeat_ttl_s]))
        except redis.RedisError:
            return None
        return QueueState(depth, self._capacity, workers)

    def workers(self) -> list[WorkerInfo]:
        """Return the living workers.

        Raises:
            QueueUnavailable: Redis is away.
        """
        with redis_errors_as_unavailable():
            seen_since = self._clock.now() - self._heartbeat_ttl_s
            names = cast(list[bytes], self._redis.zrangebyscore(self._keys.workers, seen_since, "+inf"))
            values = self._redis.mget([self._keys.worker(name.decode()) for name in names]) if names else []
        return [WorkerInfo.from_json(value) for value in values if value]
