"""The worker's side of the queue: take a batch of jobs, publish the answers, show that the worker lives."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import orjson
import redis

from job_protocol import Answer, Job, Keys, WorkerInfo
from logger import log
from metrics import WorkerMetrics
from redis_connection import RedisClock, connect
from redis_line import Command, Line
from settings import Settings

# How long one BLPOP blocks, and so how long a worker may take to notice that it should stop.
POP_TIMEOUT_S = 1
HEARTBEAT_INTERVAL_S = 1
# The set of workers disappears when none has been alive for so long.
WORKERS_TTL_S = 60


class JobSource:
    """Takes jobs off the queue and puts answers back; for one thread."""

    def __init__(self, settings: Settings, worker: str, model: str, metrics: WorkerMetrics | None = None) -> None:
        self._settings = settings
        self._metrics = metrics or WorkerMetrics()
        self._keys = Keys(settings)
        self._line = Line(settings, blocking_s=POP_TIMEOUT_S)
        self._clock = RedisClock(connect(settings))
        self._worker = worker
        self._model = model

    def take(self, size: int) -> list[Job]:
        """Wait up to POP_TIMEOUT_S for a job and take up to `size`, oldest first; they are not claimed yet.

        A job that has been tried before comes alone, so that it cannot harm others should it kill the worker again.

        Raises:
            redis.RedisError: Redis is away.
        """
        self._clock.now()  # so that, when this fails, nothing has been popped yet
        popped = self._line.call(("BLPOP", self._keys.queue, POP_TIMEOUT_S))
        if popped is None:
            return []
        first = self._parse(popped[1])
        tried = first is not None and first.attempt > 1
        others = [] if tried else self._put_back_tried([self._parse(value) for value in self._fill(size - 1)])
        return [job for job in (first, *others) if job]

    def claim(self, jobs: Sequence[Job]) -> list[Job]:
        """Say whose the jobs are, and return those that have not expired.

        Where that fails they are done all the same, perhaps twice.
        """
        now = self._clock.now()
        jobs = [job for job in jobs if self._in_time(job, now)]
        claims = [("SET", self._keys.claim(job.id), self._worker, "PXAT", int(job.deadline * 1000)) for job in jobs]
        try:
            self._line.send(*claims)
        except redis.RedisError as error:
            log("claim_failed", level="warning", error=error)
        for job in jobs:
            log("job_claimed", **job.log_fields, attempt=job.attempt, **_waited(job, now))
        return jobs

    def _put_back_tried(self, jobs: Sequence[Job | None]) -> list[Job]:
        """Give the jobs that must run alone back to the front of the queue, and return the others."""
        for job in reversed(jobs):
            if job and job.attempt > 1:
                with suppress(redis.RedisError):  # it counts as lost then, and comes again
                    self._line.call(("LPUSH", self._keys.queue, job.to_json()))
        return [job for job in jobs if job and job.attempt == 1]

    def _fill(self, size: int) -> list[bytes]:
        """Take what else is waiting, and for BATCH_WAIT_MS what comes."""
        values: list[bytes] = []
        if size < 1:
            return values
        end = time.monotonic() + self._settings.batch_wait_ms / 1000
        with suppress(redis.RedisError):  # the jobs in hand are not dropped for that
            values += self._line.call(("LPOP", self._keys.queue, size)) or []
            while len(values) < size and (remaining := end - time.monotonic()) > 0:
                # BLPOP takes a time-out of 0 as "forever", and Redis rounds to milliseconds.
                popped = self._line.call(("BLPOP", self._keys.queue, max(remaining, 0.001)))
                if popped:
                    values.append(popped[1])
        return values

    def _parse(self, value: bytes) -> Job | None:
        """Read a job; a malformed one is answered if it says for whom, else dropped."""
        job_id = None
        try:
            fields = orjson.loads(value)
            job_id = fields.get("id")
            return Job.from_fields(fields, self._settings.image_bytes)
        except (ValueError, AttributeError) as error:
            log("job_malformed", level="error", id=job_id, bytes=len(value), error=error)
            self._metrics.dropped("malformed")
            if isinstance(job_id, str):
                with suppress(redis.RedisError):
                    self.publish([Answer(job_id, self._worker, self._model, error=f"The job was malformed: {error}.")])
            return None

    def _in_time(self, job: Job, now: float) -> bool:
        if now < job.deadline:
            return True
        log("job_expired", level="warning", **job.log_fields)
        self._metrics.dropped("expired")
        return False

    def publish(self, answers: Sequence[Answer]) -> None:
        """Store each answer, publish it and lift its claim, all in one transaction.

        Raises:
            redis.RedisError: Redis is away.
        """
        try:
            self._publish(answers, store=True)
        except redis.OutOfMemoryError:
            # A message outside of a transaction needs no memory, and taking the next job will give some back.
            log("answers_not_stored", level="warning", reason="Redis is out of memory")
            self._publish(answers, store=False)

    def _publish(self, answers: Sequence[Answer], store: bool) -> None:
        commands: list[Command] = []
        for answer in answers:
            text, result = answer.to_json(), self._keys.result(answer.id)
            if store:
                commands.append(("SET", result, text, "EX", self._settings.result_ttl_s))
            commands += [("PUBLISH", result, text), ("DEL", self._keys.claim(answer.id))]
        self._line.call(*([("MULTI",), *commands, ("EXEC",)] if store else commands))


def _waited(job: Job, now: float) -> dict[str, Any]:
    # The two processes know Redis's time only to within a round trip each.
    return {"queue_ms": max(0.0, now - job.queued_at) * 1000} if job.queued_at else {}


class Heartbeat:
    """A thread that shows the worker alive, as long as all its lanes make progress; to be used with `with`."""

    def __init__(self, settings: Settings, info: WorkerInfo, lanes: int) -> None:
        self._settings = settings
        self._keys = Keys(settings)
        self._redis = connect(settings)
        self._clock = RedisClock(self._redis)
        self._ttl_ms = int(settings.heartbeat_ttl_s * 1000)
        self._info = info
        self._progress_at = [time.monotonic()] * lanes
        self._images_done = [0] * lanes
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
        self._quietly(lambda: self._redis.delete(self._keys.worker(self._info.name)))

    def progress(self, lane: int, images: int = 0) -> None:
        """Tell that a lane's loop has gone round, with so many pictures done."""
        self._progress_at[lane] = time.monotonic()
        self._images_done[lane] += images

    def _run(self) -> None:
        while not self._stopped.is_set():
            if time.monotonic() - min(self._progress_at) < self._settings.stall_timeout_s:
                self._quietly(self._beat)
            else:
                log("worker_stalled", level="error", timeout_s=self._settings.stall_timeout_s)
            self._stopped.wait(HEARTBEAT_INTERVAL_S)

    def _beat(self) -> None:
        info = replace(self._info, images_done=sum(self._images_done))
        now = self._clock.now()
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(self._keys.worker(info.name), info.to_json(), px=self._ttl_ms)
            pipeline.zadd(self._keys.workers, {info.name: now})
            pipeline.zremrangebyscore(self._keys.workers, "-inf", now - WORKERS_TTL_S)
            pipeline.expire(self._keys.workers, WORKERS_TTL_S)
            try:
                pipeline.execute()
            except redis.OutOfMemoryError:
                # Renewing takes no memory, and the web servers must not think that this worker has died.
                self._redis.pexpire(self._keys.worker(info.name), self._ttl_ms)
                raise

    def _quietly(self, call: Callable[[], object]) -> None:
        try:
            call()
        except redis.RedisError as error:
            log("heartbeat_failed", level="warning", error=error)
