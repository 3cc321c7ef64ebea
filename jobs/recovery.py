"""Finds out what became of jobs without a notification, and pushes lost jobs again."""

from collections.abc import Sequence
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
local function locate(result_key, claim_key)
  local result = redis.call('GET', result_key)
  if result then return {'answered', result} end
  local worker = redis.call('GET', claim_key)
  if not worker then return {'unclaimed'} end
  if redis.call('EXISTS', ARGV[1] .. worker) == 1 then return {'waiting'} end
  return {'orphaned', worker}
end
local found = {}
for at = 1, #KEYS, 2 do table.insert(found, locate(KEYS[at], KEYS[at + 1])) end
return found
"""


class Recovery:
    """Works for the web server that holds the jobs' pictures; safe to use from many threads."""

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self._keys = Keys(settings)
        self._max_attempts = settings.max_attempts
        self._redis = client
        self._locate_script = client.register_script(_LOCATE_SCRIPT)
        self._oldest = OldestJob(settings, client)

    def locate(self, jobs: Sequence[Job]) -> list[tuple[JobState, bytes]]:
        """Return where each job is, with its result when it is answered, or its worker when it is orphaned."""
        keys = [key(job.id) for job in jobs for key in (self._keys.result, self._keys.claim)]
        try:
            replies = cast(list[list[bytes]], self._locate_script(keys=keys, args=[self._keys.worker("")]))
            return [self._state(job, *reply) for job, reply in zip(jobs, replies, strict=True)]
        except redis.RedisError as error:
            log("redis_unavailable", level="warning", id=jobs[0].id, error=error)
            return [(JobState.UNKNOWN, b"")] * len(jobs)

    def _state(self, job: Job, state: bytes, detail: bytes = b"") -> tuple[JobState, bytes]:
        return (self._unclaimed(job) if state == b"unclaimed" else JobState(state.decode())), detail

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

    def withdraw(self, jobs: Sequence[Job]) -> None:
        """Remove the jobs from the queue, as far as they are still there."""
        with suppress(redis.RedisError), self._redis.pipeline(transaction=False) as pipeline:
            for job in jobs:
                pipeline.lrem(self._keys.queue, 1, job.to_json())  # type: ignore[arg-type]
            pipeline.execute()
