"""The web server's side of the queue: push a job, wait for its answer, and see to it that there is one.

The wait is a subscription to the job's own channel. Only when nothing has come for a while does the web server look
for itself: was the notification lost, the job, or the worker that had it? It can help in each case, since it holds the
picture, and it lives exactly as long as somebody wants the answer. Inference has no side effects, so a job that is
done twice harms nobody.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import cast

import redis

from errors import ClientGone, DeadlineExceeded, JobFailed, QueueUnavailable
from job_protocol import Answer, Job, Keys, WorkerInfo
from logger import log
from metrics import WebMetrics
from queue_head import QueueHead
from redis_connection import RedisClock, connect
from settings import Settings
from subscriptions import Subscription, Subscriptions

# Whether the queue takes a job; ARGV[3] is 1 when it is there already, and then it is taken back if not. The job itself
# is pushed by a command of its own in the same transaction, since a script would copy its 200 KB several times.
_ADMIT_SCRIPT = """
local refusal
if redis.call('ZCOUNT', KEYS[2], ARGV[1], '+inf') == 0 then
  refusal = 'no worker'
elseif redis.call('LLEN', KEYS[1]) - ARGV[3] >= tonumber(ARGV[2]) then
  refusal = 'full'
end
if refusal and ARGV[3] == '1' then redis.call('LTRIM', KEYS[1], 0, -2) end
return refusal or 'open'
"""

# Where a job without a notification is, as far as its own keys tell.
_LOOK_SCRIPT = """
local answer = redis.call('GET', KEYS[1])
if answer then return {'answered', answer} end
local worker = redis.call('GET', KEYS[2])
if not worker then return {'unclaimed'} end
if redis.call('EXISTS', ARGV[1] .. worker) == 1 then return {'waiting'} end
return {'orphaned', worker}
"""

# A job that seems lost may be on its way between two keys; on the second look running it is not.
LOOKS_UNTIL_SURE = 2
# For so long after a refusal the next requests are refused without asking Redis.
REFUSAL_HOLDS_S = 0.1
# What to tell the client, and when it may try again, in seconds.
OUT_OF_REACH = ("The queue is out of reach. Try again soon.", 5)


class JobQueue:
    """Hands pictures to the workers and brings their answers back; safe to use from many threads."""

    def __init__(self, settings: Settings, metrics: WebMetrics | None = None) -> None:
        self._settings = settings
        self._metrics = metrics or WebMetrics()
        self._keys = Keys(settings)
        self._redis = connect(settings)
        self._clock = RedisClock(self._redis)
        self._look_script = self._redis.register_script(_LOOK_SCRIPT)
        self._head = QueueHead(settings, self._redis)
        self._subscriptions = Subscriptions(settings)
        self._refused_at = -math.inf
        self._refusal: tuple[str, int] | None = None

    def check_open(self) -> None:
        """Refuse before anything is done for a request, while others are being refused; else this costs nothing.

        Raises:
            QueueUnavailable: the queue has just refused a job, or still would.
        """
        refusal = self._refusal
        if refusal is None:
            return
        if time.monotonic() - self._refused_at < REFUSAL_HOLDS_S:
            raise QueueUnavailable(*refusal)
        with suppress(redis.RedisError):  # this is told by the push, if it still is so then
            self._admit(self._redis.eval(*self._admission(pushed=0)))

    def classify(
        self,
        pixels: bytes,
        job_id: str,
        deadline: float,
        client_gone: Callable[[], bool] = lambda: False,
        traceparent: str | None = None,
    ) -> Answer:
        """Queue one picture and wait for its answer.

        Args:
            pixels: height x width x channels uint8, C order.
            job_id: what names the job in every key, channel and log line.
            deadline: until when the answer is wanted, in seconds of `time.monotonic`.
            client_gone: tells whether nobody wants the answer any more; asked at every look.
            traceparent: the trace to which the request belongs.

        Raises:
            QueueUnavailable: Redis is away, the queue is full, or there is no worker.
            DeadlineExceeded: no answer came until then.
            JobFailed: the workers could not classify the picture.
            ClientGone: nobody wants the answer.
        """
        try:
            with self._subscriptions.to(self._keys.result(job_id)) as subscription:
                now = self._clock.now()
                job = Job(job_id, pixels, now + deadline - time.monotonic(), queued_at=now, traceparent=traceparent)
                self._push(job, subscription)
                answer = self._wait(job, subscription, deadline, client_gone)
                subscription.end(("DEL", self._keys.result(job_id)))  # should that fail, it expires by itself
        except redis.RedisError as error:
            log("redis_unavailable", level="error", id=job_id, error=error)
            raise QueueUnavailable(*OUT_OF_REACH) from error
        if answer.error:
            raise JobFailed(answer.error)
        return answer

    def _push(self, job: Job, subscription: Subscription) -> None:
        """Queue the job, in one step with the check, so that two web servers cannot both take the last place."""
        push = ("RPUSH", self._keys.queue, job.to_json())
        *_, outcome = subscription.call(("MULTI",), push, ("EVAL", *self._admission(pushed=1)), ("EXEC",))
        self._admit(outcome)
        log("job_queued", level="debug", **job.log_fields)

    def _admission(self, pushed: int) -> tuple[str, int, str, str, float, int, int]:
        """Return the arguments of EVAL."""
        seen_since = self._clock.now() - self._settings.worker_grace_s
        keys = self._keys.queue, self._keys.workers
        return _ADMIT_SCRIPT, len(keys), *keys, seen_since, self._settings.queue_capacity, pushed

    def _admit(self, outcome: bytes) -> None:
        if outcome == b"no worker":
            raise self._refuse("No worker is alive. Try again soon.", retry_after_s=5)
        if outcome == b"full":
            raise self._refuse("The queue is full. Try again soon.", retry_after_s=1)
        self._refusal = None

    def _refuse(self, detail: str, retry_after_s: int) -> QueueUnavailable:
        self._refusal = (detail, retry_after_s)
        self._refused_at = time.monotonic()
        return QueueUnavailable(detail, retry_after_s)

    def _wait(self, job: Job, subscription: Subscription, deadline: float, client_gone: Callable[[], bool]) -> Answer:
        looks = 0
        while (remaining := deadline - time.monotonic()) > 0:
            if message := subscription.message(min(remaining, self._settings.poll_interval_s)):
                self._metrics.heard("notified")
                return Answer.from_json(message)
            if client_gone():
                self._withdraw(job)
            state, detail = self._look(job)
            if state == "answered":
                log("answer_found_by_polling", level="warning", **job.log_fields)
                self._metrics.heard("polled")
                return Answer.from_json(detail)
            looks = looks + 1 if state in ("orphaned", "lost") else 0
            if looks >= LOOKS_UNTIL_SURE:
                log("job_" + state, level="warning", **job.log_fields, attempt=job.attempt, worker=detail.decode())
                job = self._push_again(job, state)
                looks = 0
        raise DeadlineExceeded(f"No worker answered within {self._settings.request_timeout_s:g} seconds.")

    def _look(self, job: Job) -> tuple[str, bytes]:
        """Return where the job is (answered, waiting, orphaned, lost or unknown) with its answer or its worker."""
        keys = [self._keys.result(job.id), self._keys.claim(job.id)]
        try:
            state, *detail = self._look_script(keys=keys, args=[self._keys.worker("")])
            if state == b"unclaimed":
                # Jobs leave in the order in which they were queued, and those that are pushed again stand at the front.
                state = b"lost" if self._head.is_younger_than(cast(float, job.queued_at)) else b"waiting"
        except redis.RedisError as error:
            log("redis_unavailable", level="warning", id=job.id, error=error)
            return "unknown", b""
        return state.decode(), detail[0] if detail else b""

    def _push_again(self, job: Job, state: str) -> Job:
        """Put the job at the front of the queue; what counts as an attempt is a worker that died of it.

        Returns:
            the job as it is now in the queue; the old one when Redis would not take it.

        Raises:
            JobFailed: that was the last attempt.
        """
        again = replace(job, attempt=job.attempt + 1) if state == "orphaned" else job
        if again.attempt > self._settings.max_attempts:
            raise JobFailed(f"Each of the {self._settings.max_attempts} workers that took this picture has died.")
        try:
            with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.delete(self._keys.claim(job.id))
                pipeline.lpush(self._keys.queue, again.to_json())
                pipeline.execute()
        except redis.RedisError as error:
            log("redis_unavailable", level="warning", id=job.id, error=error)
            return job
        self._metrics.repushed(state)
        return again

    def _withdraw(self, job: Job) -> None:
        """Take the job off the queue, if it is still there, and end the request."""
        with suppress(redis.RedisError):
            self._redis.lrem(self._keys.queue, 1, job.to_json())  # type: ignore[arg-type]
        raise ClientGone("The client has closed the connection.")

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that are alive.

        Raises:
            QueueUnavailable: Redis is away.
        """
        try:
            seen_since = self._clock.now() - self._settings.heartbeat_ttl_s
            names = cast(list[bytes], self._redis.zrangebyscore(self._keys.workers, seen_since, "+inf"))
            values = self._redis.mget([self._keys.worker(name.decode()) for name in names]) if names else []
        except redis.RedisError as error:
            log("redis_unavailable", level="error", error=error)
            raise QueueUnavailable(*OUT_OF_REACH) from error
        return [WorkerInfo.from_json(value) for value in values if value]
