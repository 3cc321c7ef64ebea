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
        now = self._clock.now()
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(self._keys.worker(info.name), info.to_json(), px=self._ttl_ms)
            # GT: after a cut, TCP may deliver an old heartbeat, which was given up, behind a newer one.
            pipeline.zadd(self._keys.workers, {info.name: now}, gt=True)
            pipeline.zremrangebyscore(self._keys.workers, "-inf", now - WORKERS_TTL_S)
            pipeline.expire(self._keys.workers, WORKERS_TTL_S)
            try:
                pipeline.execute()
            except redis.OutOfMemoryError:
                # Extending a key takes no memory, and keeps web servers from taking this worker for dead.
                self._redis.pexpire(self._keys.worker(info.name), self._ttl_ms)
                raise

    def _log_failure(self, call: Callable[[], object]) -> None:
        try:
            call()
        except (redis.RedisError, MemoryError) as error:
            log("heartbeat_failed", level="warning", error=error)
