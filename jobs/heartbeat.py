"""A worker's heartbeat: it shows in Redis that the worker lives, as long as all its loops make progress.

Without progress the heartbeat stops, so that other workers get the jobs. If there is still none long after the worker
counts as dead, it is stuck for good.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

import redis

from jobs.clock import RedisClock
from jobs.connection import connect
from jobs.protocol import Keys, WorkerInfo
from logger import log
from settings import Settings

INTERVAL_S = 1
# The set of workers expires when none has been alive for this long.
WORKERS_TTL_S = 60
# Workers know Redis's time to within half of a slow round trip. A worker seen further in the future than this, in
# seconds, was seen before Redis's clock was set back.
FUTURE_SLACK_S = 5
# It may exceed maxmemory, since a heartbeat replaces the one before. GT: after a cut, TCP may deliver an old heartbeat,
# which was given up, behind a newer one.
_BEAT_SCRIPT = """#!lua flags=allow-oom
local name, heartbeat, ttl_ms, now, workers_ttl_s, slack_s = unpack(ARGV)
redis.call('SET', KEYS[1], heartbeat, 'PX', ttl_ms)
redis.call('ZREMRANGEBYSCORE', KEYS[2], redis.call('TIME')[1] + slack_s, '+inf')
redis.call('ZADD', KEYS[2], 'GT', now, name)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - workers_ttl_s)
redis.call('EXPIRE', KEYS[2], workers_ttl_s)
"""


class Heartbeat:
    """A thread that sends heartbeats; to be used with `with`.

    Args:
        settings: where Redis is, and how long a heartbeat lasts.
        info: what the worker tells about itself.
        loops: the number of batch loops that must make progress.
        stuck: called when the worker is stuck for good, with how long that was watched, in seconds.
    """

    def __init__(
        self, settings: Settings, info: WorkerInfo, loops: int, stuck: Callable[[float], object] = lambda _: None
    ) -> None:
        self._stall_timeout_s = settings.stall_timeout_s
        # The last heartbeat expires, and then a loop has once more the time that it has for a batch.
        self._stuck_after_s = settings.heartbeat_ttl_s + settings.stall_timeout_s
        self._stuck = stuck
        self._keys = Keys(settings)
        self._redis = connect(settings)
        self._beat_script = self._redis.register_script(_BEAT_SCRIPT)
        self._clock = RedisClock(self._redis)
        self._ttl_ms = int(settings.heartbeat_ttl_s * 1000)
        self._info = info
        self._started = time.monotonic()
        self._progress_at = [self._started] * loops
        self._images_done = [0] * loops
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._log_failure(lambda: self._redis.delete(self._keys.worker(self._info.name)))

    def progress(self, loop: int, images: int = 0) -> None:
        """Report that a loop is alive, and how many pictures it has just done."""
        self._progress_at[loop] = time.monotonic()
        self._images_done[loop] += images

    def _run(self) -> None:
        # Counted and not measured, since a process that was suspended must get its chance when it wakes.
        stalled_s = 0
        while not self._stopped.is_set():
            if time.monotonic() - min(self._progress_at) < self._stall_timeout_s:
                stalled_s = 0
                self._log_failure(self._beat)
            else:
                self._watch(stalled_s)
                stalled_s += INTERVAL_S
            self._stopped.wait(INTERVAL_S)

    def _watch(self, stalled_s: float) -> None:
        if not stalled_s:
            log("worker_stalled", level="error", timeout_s=self._stall_timeout_s)
        if stalled_s >= self._stuck_after_s:
            self._stuck(stalled_s)

    def _beat(self) -> None:
        uptime_s = time.monotonic() - self._started
        info = replace(self._info, images_done=sum(self._images_done), uptime_s=uptime_s)
        self._beat_script(
            keys=[self._keys.worker(info.name), self._keys.workers],
            args=[info.name, info.to_json(), self._ttl_ms, self._clock.now(), WORKERS_TTL_S, FUTURE_SLACK_S],
        )

    def _log_failure(self, call: Callable[[], object]) -> None:
        try:
            call()
        except (redis.RedisError, MemoryError) as error:
            log("heartbeat_failed", level="warning", error=error)
