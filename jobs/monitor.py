"""What is going on in Redis: the queue's depth, and the living workers."""

from dataclasses import dataclass
from typing import cast

import redis

from errors import ServiceUnavailable
from jobs.clock import RedisClock
from jobs.connection import RETRY_AFTER_S, connect, redis_errors_as_unavailable
from jobs.hang_detector import connect_impatiently
from jobs.log_once import LogOnce
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


@dataclass(frozen=True)
class LivingWorker:
    """A worker as its last heartbeat describes it, and how long ago that was sent, in seconds."""

    info: WorkerInfo
    heartbeat_age_s: float


class QueueMonitor:
    """Reads the state of the queue and its workers; safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._heartbeat_ttl_s = settings.heartbeat_ttl_s
        self._capacity = settings.queue_capacity
        self._keys = Keys(settings)
        self._redis = connect_impatiently(settings)
        self._clock = RedisClock(self._redis)
        impatient = connect(settings, connect_timeout_s=STATE_TIMEOUT_S, socket_timeout_s=STATE_TIMEOUT_S)
        self._state_script = impatient.register_script(_STATE_SCRIPT)
        self._log_unreadable = LogOnce("heartbeat_unreadable")

    def state(self) -> QueueState | None:
        """Return the state of the queue, within a second; None when Redis is away.

        Raises:
            ServiceUnavailable: Redis answers, but does not tell it; `check_queue` may say why.
        """
        keys = [self._keys.queue, self._keys.workers]
        try:
            depth, workers = cast(list[int], self._state_script(keys=keys, args=[self._heartbeat_ttl_s]))
        except redis.ResponseError as error:
            raise ServiceUnavailable("Redis does not tell the state of the queue.", RETRY_AFTER_S) from error
        except redis.RedisError:
            return None
        return QueueState(depth, self._capacity, workers)

    def check_queue(self) -> None:
        """Check that jobs can be queued, apart from the queue's capacity.

        Raises:
            ServiceUnavailable: Redis is away or refuses writes, or has something else than a list under the queue's key
                or than the set of workers under theirs.
        """
        with redis_errors_as_unavailable(self._keys.queue):
            self._redis.llen(self._keys.queue)
        with redis_errors_as_unavailable(self._keys.workers):
            # Changes nothing, since no worker is nameless, but Redis refuses it whenever it would refuse a job.
            self._redis.zadd(self._keys.workers, {"": 0}, xx=True)

    def workers(self) -> list[WorkerInfo]:
        """Return the living workers, without those whose heartbeats cannot be read.

        Raises:
            ServiceUnavailable: as `living_workers`.
        """
        return [worker.info for worker in self.living_workers()]

    def living_workers(self) -> list[LivingWorker]:
        """Return the living workers with the ages of their heartbeats, without those that cannot be read.

        Raises:
            ServiceUnavailable: Redis is away, something else than the set of workers is under its key, or there are
                heartbeats but none can be read.
        """
        with redis_errors_as_unavailable(self._keys.workers):
            now = self._clock.now()
            heartbeats = self._heartbeats(now)
        workers = [
            LivingWorker(info, max(0.0, now - seen))
            for name, seen, heartbeat in heartbeats
            if (info := self._read(name, heartbeat))
        ]
        if any(heartbeat for _, _, heartbeat in heartbeats) and not workers:
            detail = "No worker is alive whose heartbeat can be read; the log names the others (heartbeat_unreadable)."
            raise ServiceUnavailable(detail, RETRY_AFTER_S)
        return workers

    def _heartbeats(self, now: float) -> list[tuple[bytes, float, bytes | redis.ResponseError | None]]:
        """Return each worker seen lately: when that was, and its heartbeat or why Redis could not return it."""
        seen_since = now - self._heartbeat_ttl_s
        seen = self._redis.zrangebyscore(self._keys.workers, seen_since, "+inf", withscores=True)
        workers = cast(list[tuple[bytes, float]], seen)
        prefix = self._keys.worker("").encode()
        # MGET would take a key of the wrong type for a missing one.
        with self._redis.pipeline(transaction=False) as pipeline:
            for name, _ in workers:
                pipeline.get(prefix + name)
            heartbeats = pipeline.execute(raise_on_error=False)
        return [(*worker, heartbeat) for worker, heartbeat in zip(workers, heartbeats, strict=True)]

    def _read(self, name: bytes, heartbeat: bytes | redis.ResponseError | None) -> WorkerInfo | None:
        try:
            name.decode()
            if isinstance(heartbeat, redis.ResponseError):
                raise ValueError(heartbeat)
            return None if heartbeat is None else WorkerInfo.from_json(heartbeat)
        except ValueError as error:
            self._log_unreadable(name, error)
            return None
