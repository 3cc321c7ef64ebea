"""The worker's end of the queue: take a batch of jobs, claim them, publish their results."""

import time
from collections.abc import Sequence
from contextlib import suppress

import orjson
import redis

from helpers import WrongSize
from jobs.clock import RedisClock
from jobs.connection import connect
from jobs.observers import Drop, JobConsumerObserver
from jobs.pipelined_connection import Command, PipelinedConnection
from jobs.protocol import Job, JobResult, Keys
from logger import log
from settings import Settings

# How long one BLPOP blocks, and so how long a worker may take to notice that it should stop.
POP_TIMEOUT_S = 1
OTHER_SIZE_RETRY_AFTER_S = 1
_OTHER_SIZE = "Web server and worker differ in the size of pictures (MODEL, IMAGE_WIDTH, IMAGE_HEIGHT, IMAGE_CHANS)"


class JobConsumer:
    """Takes jobs off the queue and publishes results; for one thread."""

    def __init__(
        self, settings: Settings, worker: str, model: str, observer: JobConsumerObserver | None = None
    ) -> None:
        self._batch_wait_s = settings.batch_wait_ms / 1000
        self._result_ttl_s = settings.result_ttl_s
        self._image_bytes = settings.image_shape.num_bytes
        self._observer = observer or JobConsumerObserver()
        self._keys = Keys(settings)
        self._connection = PipelinedConnection(connect(settings, POP_TIMEOUT_S, protocol=3))
        self._clock = RedisClock(connect(settings))
        self._worker = worker
        self._model = model

    def take(self, size: int, streams: int = 1) -> list[Job]:
        """Wait up to POP_TIMEOUT_S for a job and take up to `size`, oldest first, without claiming them.

        Unless BATCH_WAIT_MS is set, it leaves others their share: with n `streams` it takes an nth of what waits.

        A job that has been tried before comes alone, so that it cannot harm others should it kill the worker again.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        self._clock.now()  # if this fails, nothing has been popped yet
        popped = self._connection.call(("BLPOP", self._keys.queue, POP_TIMEOUT_S))
        if popped is None:
            return []
        first = self._parse(popped[1])
        if first and first.attempt > 1:
            return [first]
        others = self._put_back_retried([self._parse(value) for value in self._fill(size - 1, streams)])
        return [job for job in (first, *others) if job]

    def claim(self, jobs: Sequence[Job]) -> list[Job]:
        """Claim the jobs for this worker, and return those that have not expired.

        If claiming fails they are computed all the same, perhaps twice.
        """
        now = self._clock.now()
        jobs = [job for job in jobs if self._in_time(job, now)]
        claims = [("SET", self._keys.claim(job.id), self._worker, "PXAT", int(job.deadline * 1000)) for job in jobs]
        try:
            self._connection.send(*claims)
        except redis.RedisError as error:
            log("claim_failed", level="warning", error=error)
        for job in jobs:
            log("job_claimed", **job.log_fields, attempt=job.attempt, queue_ms=_queue_ms(job, now))
        return jobs

    def publish(self, results: Sequence[JobResult]) -> None:
        """Store each result, publish it and delete its claim, all in one transaction.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        try:
            self._publish(results, store=True)
        except redis.OutOfMemoryError:
            # A message outside of a transaction needs no memory, and popping the next job frees some.
            log("results_not_stored", level="warning", reason="Redis is out of memory")
            self._publish(results, store=False)

    def _publish(self, results: Sequence[JobResult], store: bool) -> None:
        commands: list[Command] = []
        for result in results:
            text, key = result.to_json(), self._keys.result(result.id)
            if store:
                commands.append(("SET", key, text, "EX", self._result_ttl_s))
            commands += [("PUBLISH", key, text), ("DEL", self._keys.claim(result.id))]
        self._connection.call(*([("MULTI",), *commands, ("EXEC",)] if store else commands))

    def _put_back_retried(self, jobs: Sequence[Job | None]) -> list[Job]:
        """Push jobs that must be computed alone back to the front of the queue, and return the others."""
        for job in reversed(jobs):
            if job and job.attempt > 1:
                with suppress(redis.RedisError):  # then it counts as lost, and its web server pushes it again
                    self._connection.call(("LPUSH", self._keys.queue, job.to_json()))
        return [job for job in jobs if job and job.attempt == 1]

    def _fill(self, size: int, streams: int) -> list[bytes]:
        """Take up to `size` jobs that are waiting, and for BATCH_WAIT_MS those that come."""
        values: list[bytes] = []
        end = time.monotonic() + self._batch_wait_s
        with suppress(redis.RedisError):  # the jobs in hand are kept all the same
            if size and streams > 1 and not self._batch_wait_s:
                size = min(size, self._connection.call(("LLEN", self._keys.queue)) // streams)
            if size:
                values += self._connection.call(("LPOP", self._keys.queue, size)) or []
            while len(values) < size and (remaining := end - time.monotonic()) > 0:
                # BLPOP takes a time-out of 0 as "forever", and Redis rounds to milliseconds.
                popped = self._connection.call(("BLPOP", self._keys.queue, max(remaining, 0.001)))
                if popped:
                    values.append(popped[1])
        return values

    def _parse(self, value: bytes) -> Job | None:
        """Read a job. A malformed one is dropped, and answered if it has an id."""
        job_id = None
        try:
            fields = orjson.loads(value)
            job_id = fields.get("id")
            return Job.from_fields(fields, self._image_bytes)
        except (ValueError, AttributeError) as error:
            log("job_malformed", level="error", id=job_id, bytes=len(value), error=error)
            self._observer.dropped(Drop.MALFORMED)
            if isinstance(job_id, str):
                with suppress(redis.RedisError):
                    self.publish([self._refusal(job_id, error)])
            return None

    def _refusal(self, job_id: str, error: Exception) -> JobResult:
        if isinstance(error, WrongSize):  # while the size is being changed, another worker may take it
            reason, retry_after_s = _OTHER_SIZE, OTHER_SIZE_RETRY_AFTER_S
        else:
            reason, retry_after_s = "The job was malformed", None
        return JobResult(job_id, self._worker, self._model, error=f"{reason}: {error}.", retry_after_s=retry_after_s)

    def _in_time(self, job: Job, now: float) -> bool:
        if now < job.deadline:
            return True
        log("job_expired", level="warning", **job.log_fields)
        self._observer.dropped(Drop.EXPIRED)
        return False


def _queue_ms(job: Job, now: float) -> float | None:
    # Each process knows Redis's time only to within a round trip, so the difference may be negative.
    return max(0.0, now - job.queued_at) * 1000 if job.queued_at else None
