"""Finds out what became of a job without a notification, and pushes lost jobs again."""

from contextlib import suppress
from dataclasses import replace
from typing import cast

import redis

from errors import JobFailed
from jobs.observers import JobState
from jobs.oldest_job import OldestJob
from jobs.protocol import Job, Keys
from logger import log
from settings import Settings

_LOCATE_SCRIPT = """
local result = redis.call('GET', KEYS[1])
if result then return {'answered', result} end
local worker = redis.call('GET', KEYS[2])
if not worker then return {'unclaimed'} end
if redis.call('EXISTS', ARGV[1] .. worker) == 1 then return {'waiting'} end
return {'orphaned', worker}
"""


class Recovery:
    """Works for the web server that holds the job's picture; safe to use from many threads."""

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self._keys = Keys(settings)
        self._max_attempts = settings.max_attempts
        self._redis = client
        self._locate_script = client.register_script(_LOCATE_SCRIPT)
        self._oldest = OldestJob(settings, client)

    def locate(self, job: Job) -> tuple[JobState, bytes]:
        """Return where the job is, with its result when it is answered, or its worker when it is orphaned."""
        keys = [self._keys.result(job.id), self._keys.claim(job.id)]
        try:
            reply = cast(list[bytes], self._locate_script(keys=keys, args=[self._keys.worker("")]))
            state, detail = reply[0].decode(), b"".join(reply[1:])
            return (self._unclaimed(job) if state == "unclaimed" else JobState(state)), detail
        except redis.RedisError as error:
            log("redis_unavailable", level="warning", id=job.id, error=error)
            return JobState.UNKNOWN, b""

    def _unclaimed(self, job: Job) -> JobState:
        """Jobs leave in the order in which they were queued; those pushed again stand at the front."""
        passed = self._oldest.is_younger_than(cast(float, job.queued_at))
        return JobState.LOST if passed else JobState.WAITING

    def requeue(self, job: Job, state: JobState) -> Job | None:
        """Push the job again, at the front. Only an orphaned job counts as another attempt: a worker died of it.

        Returns:
            the job as it is now in the queue; None when Redis could not take it.

        Raises:
            JobFailed: the last attempt has failed.
        """
        again = replace(job, attempt=job.attempt + 1) if state == JobState.ORPHANED else job
        if again.attempt > self._max_attempts:
            raise JobFailed(f"Each of the {self._max_attempts} workers that took this picture has died.")
        try:
            with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.delete(self._keys.claim(job.id))
                pipeline.lpush(self._keys.queue, again.to_json())
                pipeline.execute()
        except redis.RedisError as error:
            log("redis_unavailable", level="warning", id=job.id, error=error)
            return None
        return again

    def withdraw(self, job: Job) -> None:
        """Remove the job from the queue, if it is still there."""
        with suppress(redis.RedisError):
            self._redis.lrem(self._keys.queue, 1, job.to_json())  # type: ignore[arg-type]
