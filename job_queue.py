"""The web server's side of the queue: push a job, wait for its answer.

The wait is a subscription to the job's own channel. Looking for the answer by key is only the fallback, for a
notification that was lost.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

import redis
from redis.client import PubSub

from errors import DeadlineExceeded, JobFailed, QueueUnavailable
from job_protocol import SOCKET_TIMEOUT_S, Answer, Job, Keys, RedisClock, WorkerInfo, connect
from logger import log
from settings import Settings

# One step, so that two web servers cannot both take the last place in the queue.
_PUSH_SCRIPT = """
if redis.call('ZCOUNT', KEYS[2], ARGV[3], '+inf') == 0 then return 'no worker' end
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[2]) then return 'full' end
redis.call('RPUSH', KEYS[1], ARGV[1])
return 'queued'
"""


class JobQueue:
    """Hands pictures to the workers and brings their answers back; safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = Keys(settings)
        self._redis = connect(settings)
        self._clock = RedisClock(self._redis)
        self._push_script = self._redis.register_script(_PUSH_SCRIPT)
        self._subscriptions = _Subscriptions(self._redis)

    def classify(self, pixels: bytes, job_id: str) -> Answer:
        """Queue one picture and wait for its answer.

        Args:
            pixels: height x width x channels uint8, C order.
            job_id: what names the job in every key, channel and log line.

        Raises:
            QueueUnavailable: Redis is away, the queue is full, or there is no worker.
            DeadlineExceeded: no answer came within REQUEST_TIMEOUT_S.
            JobFailed: the worker could not classify the picture.
        """
        deadline = time.monotonic() + self._settings.request_timeout_s
        try:
            with self._subscriptions.to(self._keys.result(job_id)) as subscription:
                self._push(Job(job_id, pixels, self._clock.now() + self._settings.request_timeout_s))
                answer = self._wait(job_id, subscription, deadline)
        except redis.RedisError as error:
            raise _unavailable(error) from error
        with suppress(redis.RedisError):  # it expires by itself
            self._redis.delete(self._keys.result(job_id))
        if answer.error:
            raise JobFailed(answer.error)
        return answer

    def _push(self, job: Job) -> None:
        seen_since = self._clock.now() - self._settings.worker_grace_s
        keys = [self._keys.queue, self._keys.workers]
        outcome = self._push_script(keys=keys, args=[job.to_json(), self._settings.queue_capacity, seen_since])
        if outcome == b"no worker":
            raise QueueUnavailable("No worker is alive. Try again soon.", retry_after_s=5)
        if outcome == b"full":
            raise QueueUnavailable("The queue is full. Try again soon.", retry_after_s=1)
        log("job_queued", level="debug", id=job.id, attempt=job.attempt)

    def _wait(self, job_id: str, subscription: "_Subscription", deadline: float) -> Answer:
        while (remaining := deadline - time.monotonic()) > 0:
            if message := subscription.message(min(remaining, self._settings.poll_interval_s)):
                return Answer.from_json(message)
            if found := self._look(job_id):
                log("answer_found_by_polling", level="warning", id=job_id)
                return Answer.from_json(found)
        timeout_s = self._settings.request_timeout_s
        raise DeadlineExceeded(f"No worker answered within {timeout_s:g} seconds.")

    def _look(self, job_id: str) -> bytes | str | None:
        with suppress(redis.RedisError):
            return self._redis.get(self._keys.result(job_id))
        return None

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
            raise _unavailable(error) from error
        return [WorkerInfo.from_json(value) for value in values if value]


def _unavailable(error: redis.RedisError) -> QueueUnavailable:
    log("redis_unavailable", level="error", error=error)
    return QueueUnavailable("The queue is out of reach. Try again soon.", retry_after_s=5)


class _Subscriptions:
    """Pub/sub connections, kept open and lent to one request at a time."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._idle: deque[PubSub] = deque()

    @contextmanager
    def to(self, channel: str) -> Iterator["_Subscription"]:
        """Subscribe, wait until Redis has confirmed it, and lend the subscription.

        Raises:
            redis.RedisError: Redis is away.
        """
        subscription = self._confirmed(channel)
        try:
            yield subscription
        finally:
            self._give_back(subscription, channel)

    def _give_back(self, subscription: "_Subscription", channel: str) -> None:
        with suppress(redis.RedisError):
            if not subscription.broken:
                # The confirmation of this is read, and passed over, by the next one who borrows the connection.
                subscription.pubsub.unsubscribe(channel)  # type: ignore[no-untyped-call]
                self._idle.append(subscription.pubsub)
                return
        subscription.pubsub.close()

    def _confirmed(self, channel: str) -> "_Subscription":
        with suppress(IndexError):
            pubsub = self._idle.pop()
            try:
                return _Subscription(pubsub, channel)
            except redis.RedisError:
                # Redis has been restarted, or has closed an idle connection: the others are as old.
                pubsub.close()
                self._idle.clear()
        return _Subscription(self._redis.pubsub(), channel)  # type: ignore[no-untyped-call]


class _Subscription:
    """One connection, subscribed to one channel."""

    def __init__(self, pubsub: PubSub, channel: str) -> None:
        self.pubsub = pubsub
        self.broken = False
        self._channel = channel.encode()
        pubsub.subscribe(channel)
        if self._next("subscribe", SOCKET_TIMEOUT_S) is None:
            pubsub.close()
            raise redis.TimeoutError("the subscription was not confirmed")

    def message(self, timeout_s: float) -> bytes | None:
        """Wait for the message; a broken connection waits as long, and leaves the rest to the fallback."""
        if not self.broken:
            try:
                return self._next("message", timeout_s)
            except redis.RedisError as error:
                log("subscription_lost", level="warning", error=error)
                self.broken = True
        time.sleep(timeout_s)
        return None

    def _next(self, kind: str, timeout_s: float) -> bytes | None:
        """Wait for a message of one kind on our channel, passing over what the borrower before us left."""
        end = time.monotonic() + timeout_s
        while (remaining := end - time.monotonic()) > 0:
            message = self.pubsub.get_message(timeout=remaining)
            if message and message["type"] == kind and message["channel"] == self._channel:
                data: bytes = message["data"]
                return data
        return None
