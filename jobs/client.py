"""The web server's end of the queue: submit a job, wait for its result, and recover it when it gets lost.

The wait is a subscription to the job's own channel. Only when nothing has come for POLL_INTERVAL_S does the web server
look: was the notification lost, the job, or the worker that had it? It can help in each case, since it holds the
picture, and it lives exactly as long as somebody wants the result. Inference has no side effects, so computing a job
twice does no harm.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from errors import ClientGone, DeadlineExceeded, JobFailed
from jobs.admission import Admission
from jobs.clock import RedisClock
from jobs.connection import redis_errors_as_unavailable
from jobs.hang_detector import connect_impatiently, hang_detector
from jobs.observers import Delivery, JobClientObserver, JobState
from jobs.oldest_job import SLACK_S
from jobs.protocol import Job, JobResult, Keys
from jobs.recovery import Recovery
from jobs.reply_channels import ReplyChannel, ReplyChannels
from jobs.result_reader import ResultReader
from logger import log
from settings import Settings

# A job that seems lost may be on its way between two keys; after two such looks in a row it is not.
LOOKS_UNTIL_SURE = 2


class JobClient:
    """Submits pictures to the workers and returns their results; safe to use from many threads."""

    def __init__(self, settings: Settings, observer: JobClientObserver | None = None) -> None:
        self._poll_interval_s = settings.poll_interval_s
        self._request_timeout_s = settings.request_timeout_s
        self._observer = observer or JobClientObserver()
        self._keys = Keys(settings)
        client = connect_impatiently(settings)
        self._hang_detector = hang_detector(settings)
        self._clock = RedisClock(client)
        self._admission = Admission(settings, client, self._clock)
        self._recovery = Recovery(settings, client)
        self._channels = ReplyChannels(settings)

    def check_admission(self) -> None:
        """Refuse a request before any work is done for it, while jobs are being refused.

        Raises:
            QueueUnavailable: the queue has just refused a job, or still would, or Redis hangs.
        """
        with redis_errors_as_unavailable():
            self._hang_detector.check()
        self._admission.check()

    def classify(
        self,
        pixels: bytes,
        job_id: str,
        deadline: float,
        client_gone: Callable[[], bool] = lambda: False,
        traceparent: str | None = None,
    ) -> JobResult:
        """Submit one picture and wait for its result.

        Args:
            pixels: height x width x channels uint8, C order.
            job_id: names the job in every key, channel and log line.
            deadline: when the result is of no use any more, in seconds of `time.monotonic`.
            client_gone: tells whether the client has hung up; asked at every look.
            traceparent: the trace to which the request belongs.

        Raises:
            QueueUnavailable: Redis is away, the queue is full, or no worker is alive.
            DeadlineExceeded: no result came before the deadline.
            JobFailed: the workers could not classify the picture.
            ClientGone: the client has hung up.
        """
        result_key = self._keys.result(job_id)
        with redis_errors_as_unavailable(id=job_id), self._channels.lease(result_key) as channel:
            now = self._clock.now()
            job = Job(job_id, pixels, now + deadline - time.monotonic(), queued_at=now, traceparent=traceparent)
            self._submit(job, channel)
            result = self._wait(job, channel, deadline, client_gone)
            channel.release(("DEL", result_key))  # if that fails, the key expires by itself
        if result.error:
            raise JobFailed(result.error)
        return result

    def _submit(self, job: Job, channel: ReplyChannel) -> None:
        """Push and check in one transaction, so that two web servers cannot both take the last place."""
        push = ("RPUSH", self._keys.queue, job.to_json())
        *_, outcome = channel.call(("MULTI",), push, self._admission.command(), ("EXEC",))
        self._admission.enforce(outcome)
        log("job_queued", level="debug", **job.log_fields)

    def _wait(self, job: Job, channel: ReplyChannel, deadline: float, client_gone: Callable[[], bool]) -> JobResult:
        reader = ResultReader(job)
        looks = 0
        while (now := time.monotonic()) < deadline:
            if result := self._receive(channel, reader, min(deadline, now + self._poll_interval_s)):
                self._observer.delivered(Delivery.NOTIFIED)
                return result
            if client_gone():
                self._recovery.withdraw(job)
                raise ClientGone("The client has closed the connection.")
            state, detail = self._recovery.locate(job)
            if state == JobState.ANSWERED and (result := reader.read(detail)):
                log("result_polled", level="warning", **job.log_fields)
                self._observer.delivered(Delivery.POLLED)
                return result
            looks = looks + 1 if state in (JobState.ORPHANED, JobState.LOST) else 0
            if looks == LOOKS_UNTIL_SURE:
                job = self._requeue(job, state, deadline, worker=detail.decode(errors="backslashreplace"))
                looks = 0
        raise DeadlineExceeded(f"No worker answered within {self._request_timeout_s:g} seconds.")

    def _receive(self, channel: ReplyChannel, reader: ResultReader, end: float) -> JobResult | None:
        """Wait until `end`, by time.monotonic, for a message that can be read."""
        while (remaining := end - time.monotonic()) > 0:
            message = channel.receive(remaining)
            if message is not None and (result := reader.read(message)):
                return result
        return None

    def _requeue(self, job: Job, state: JobState, deadline: float, worker: str) -> Job:
        log(f"job_{state}", level="warning", **job.log_fields, attempt=job.attempt, worker=worker)
        shift_s = self._clock.at(deadline) - job.deadline
        if abs(shift_s) > SLACK_S:  # another master has another clock
            job = replace(job, deadline=job.deadline + shift_s, queued_at=cast(float, job.queued_at) + shift_s)
        again = self._recovery.requeue(job, state)
        if again:
            self._observer.requeued(state)
        return again or job
