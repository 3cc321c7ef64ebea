"""The web server's end of the queue: submit a request's jobs, wait for their results, and recover what gets lost.

Each picture of a request is a job of its own, and the wait is a subscription to the jobs' own channels. Once in
POLL_INTERVAL_S the web server looks after those that are not answered: was the notification lost, the job, or the
worker that had it? It can help in each case, since it holds the picture, and it lives exactly as long as somebody wants
the result. Inference has no side effects, so computing a job twice does no harm.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from errors import ClientGone, DeadlineExceeded, JobFailed
from jobs.admission import Admission
from jobs.clock import RedisClock
from jobs.connection import redis_errors_as_unavailable
from jobs.hang_detector import connect_impatiently, hang_detector
from jobs.observers import Delivery, JobClientObserver, JobState
from jobs.oldest_job import SLACK_S
from jobs.pipelined_connection import Command
from jobs.protocol import Job, Keys
from jobs.recovery import Recovery
from jobs.reply_channels import LeasedChannels, ReplyChannels
from jobs.waiting_job import Outcome, WaitingJob
from logger import log
from settings import Settings

# A result that Redis has by now was published at the same time, and its message is on its way: so long it may take.
IN_FLIGHT_S = 0.05


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
        self._admission = Admission(settings, client)
        self._recovery = Recovery(settings, client)
        self._channels = ReplyChannels(settings)

    def check_admission(self) -> None:
        """Refuse a request before any work is done for it, while jobs are being refused.

        Raises:
            ServiceUnavailable: the queue has just refused a job, or still would, or Redis hangs.
        """
        with redis_errors_as_unavailable():
            self._hang_detector.check()
        self._admission.check()

    def classify(
        self,
        pictures: Mapping[str, bytes],
        deadline: float,
        client_gone: Callable[[], bool] = lambda: False,
        traceparent: str | None = None,
    ) -> dict[str, Outcome]:
        """Submit the pictures of a request, all of them or none, and wait for their results.

        Args:
            pictures: one or more, height x width x channels uint8, C order, by the ids of their jobs, which name them
                in every key, channel and log line.
            deadline: when the results are of no use any more, in seconds of `time.monotonic`.
            client_gone: tells whether the client has hung up; asked at every look.
            traceparent: the trace to which the request belongs.

        Returns:
            the outcome of each picture, in the same order; DeadlineExceeded for those whose result did not come before
            the deadline, and JobFailed for those that the workers could not classify.

        Raises:
            ServiceUnavailable: Redis is away, the queue has no room for all of them, or no worker is alive.
            ClientGone: the client has hung up.
        """
        keys = [self._keys.result(job_id) for job_id in pictures]
        with redis_errors_as_unavailable(id=next(iter(pictures))), self._channels.lease(*keys) as channels:
            now = self._clock.now()
            expires_at = now + deadline - time.monotonic()
            jobs = [Job(*picture, expires_at, queued_at=now, traceparent=traceparent) for picture in pictures.items()]
            self._submit(jobs, channels)
            waiting = {key.encode(): WaitingJob(job) for key, job in zip(keys, jobs, strict=True)}
            self._wait(waiting, channels, deadline, client_gone)
            channels.release(("DEL", *keys))  # if that fails, the keys expire by themselves
        late = DeadlineExceeded(f"No worker answered within {self._request_timeout_s:g} seconds.")
        return {each.job.id: each.outcome or late for each in waiting.values()}

    def _submit(self, jobs: Sequence[Job], channels: LeasedChannels) -> None:
        """Push and check in one transaction, so that two web servers cannot both take the last places."""
        push: Command = ("RPUSH", self._keys.queue, *(job.to_json() for job in jobs))
        *_, outcome = channels.call(("MULTI",), push, self._admission.command(len(jobs)), ("EXEC",))
        self._admission.enforce(outcome)
        for job in jobs:
            log("job_queued", level="debug", **job.log_fields)

    def _wait(
        self,
        waiting: Mapping[bytes, WaitingJob],
        channels: LeasedChannels,
        deadline: float,
        client_gone: Callable[[], bool],
    ) -> None:
        """Wait until each job has an outcome, or until the deadline."""
        while (now := time.monotonic()) < deadline:
            self._receive(waiting, channels, min(deadline, now + self._poll_interval_s))
            missing = _unanswered(waiting)
            if not missing:
                return
            if client_gone():
                self._recovery.withdraw([each.job for each in missing])
                raise ClientGone("The client has closed the connection.")
            self._look_after(waiting, channels, deadline)

    def _receive(self, waiting: Mapping[bytes, WaitingJob], channels: LeasedChannels, end: float) -> None:
        """Take what is published until `end`, by time.monotonic, or until each job has an outcome."""
        missing = len(_unanswered(waiting))
        while missing and (remaining := end - time.monotonic()) > 0:
            message = channels.receive(remaining)
            if message and waiting[message.channel].take(message.data):
                self._observer.delivered(Delivery.NOTIFIED)
                missing -= 1

    def _look_after(self, waiting: Mapping[bytes, WaitingJob], channels: LeasedChannels, deadline: float) -> None:
        """Find out where jobs are whose results have not come, and push again those that are gone."""
        missing = _unanswered(waiting)
        found = self._recovery.locate([each.job for each in missing])
        if any(state == JobState.ANSWERED for state, _ in found):
            self._receive(waiting, channels, min(deadline, time.monotonic() + IN_FLIGHT_S))
        for each, (state, detail) in zip(missing, found, strict=True):
            if each.outcome:
                continue
            if state == JobState.ANSWERED and each.take(detail):
                log("result_polled", level="warning", **each.job.log_fields)
                self._observer.delivered(Delivery.POLLED)
            elif each.is_surely_gone(state):
                try:
                    each.job = self._requeue(each.job, state, deadline, detail.decode(errors="backslashreplace"))
                except JobFailed as error:
                    each.outcome = error.detached()

    def _requeue(self, job: Job, state: JobState, deadline: float, worker: str) -> Job:
        log(f"job_{state}", level="warning", **job.log_fields, attempt=job.attempt, worker=worker)
        shift_s = self._clock.at(deadline) - job.deadline
        if abs(shift_s) > SLACK_S:  # another master has another clock
            job = replace(job, deadline=job.deadline + shift_s, queued_at=cast(float, job.queued_at) + shift_s)
        again = self._recovery.requeue(job, state)
        if again:
            self._observer.requeued(state)
        return again or job


def _unanswered(waiting: Mapping[bytes, WaitingJob]) -> list[WaitingJob]:
    return [each for each in waiting.values() if each.outcome is None]
