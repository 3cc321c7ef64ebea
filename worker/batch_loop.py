"""One thread of a worker: take a batch of jobs, predict, publish the results; again and again.

A worker has as many loops as batches can be computed at once, so that while one is computed another is read.
"""

import threading
import time
from collections.abc import Sequence
from typing import Protocol

import redis

from inference.classifier import Classifier
from jobs.consumer import JobConsumer
from jobs.protocol import Job, JobResult, Prediction
from logger import log
from settings import Settings
from worker.shared_lock import SharedLock

RECONNECT_WAIT_S = 1


class Progress(Protocol):
    """Tells the heartbeat that the loop is alive, and how many pictures it has just done."""

    def __call__(self, *, images: int = 0) -> None:
        """Report."""


class BatchObserver(Protocol):
    """Hears what became of jobs, and how long the network took, in seconds."""

    def inferred(self, batch: Sequence[Job], seconds: float) -> None:
        """The network has classified a batch."""

    def failed(self, job: Job, seconds: float) -> None:
        """The network has failed on a job."""


class BatchLoop:
    """A loop over batches.

    Args:
        settings: how long results are wanted.
        worker: this worker's name.
        classifier: the network.
        consumer: this loop's own end of the queue.
        progress: tells the heartbeat.
        lock: of all loops of the worker.
        observers: hear of every batch.
    """

    def __init__(
        self,
        settings: Settings,
        worker: str,
        classifier: Classifier,
        consumer: JobConsumer,
        progress: Progress,
        lock: SharedLock,
        observers: Sequence[BatchObserver],
    ) -> None:
        self._request_timeout_s = settings.request_timeout_s
        self._worker = worker
        self._classifier = classifier
        self._consumer = consumer
        self._progress = progress
        self._lock = lock
        self._observers = observers

    def run(self, stop: threading.Event) -> None:
        """Answer jobs until `stop` is set; the batch in hand is finished first."""
        while not stop.is_set():
            self._progress()
            try:
                batch = self._consumer.take(self._classifier.batch_size, self._classifier.engine.streams)
            except redis.RedisError as error:
                log("redis_unavailable", level="error", error=error)
                stop.wait(RECONNECT_WAIT_S)
                continue
            if batch:
                # A job that may have killed a worker must not take those of other loops with it.
                lock = self._lock.exclusive if batch[0].attempt > 1 else self._lock.shared
                with lock(self._progress):
                    self._serve(batch, stop)

    def _serve(self, batch: Sequence[Job], stop: threading.Event) -> None:
        jobs = self._consumer.claim(batch)
        if jobs:
            self._publish(self._predict(jobs), stop)
            self._progress(images=len(jobs))

    def _publish(self, results: Sequence[JobResult], stop: threading.Event) -> None:
        """Publish; while Redis is away try again, as long as somebody may want the results."""
        end = time.monotonic() + self._request_timeout_s
        while True:
            self._progress()  # the network is not stuck
            try:
                self._consumer.publish(results)
                return
            except redis.RedisError as error:
                log("redis_unavailable", level="error", ids=",".join(result.id for result in results), error=error)
            if stop.wait(RECONNECT_WAIT_S) or time.monotonic() > end:
                return

    def _predict(self, batch: Sequence[Job]) -> list[JobResult]:
        """Predict a batch; if that fails, each picture alone, so that only the one at fault gets an error."""
        self._progress()  # each time, since what the network is given has the whole stall time-out
        started = time.perf_counter()
        try:
            predictions = self._classifier.predict([job.image for job in batch])
        except Exception:
            log("inference_failed", level="error", ids=",".join(job.id for job in batch), exc_info=True)
            if len(batch) > 1:
                return [result for job in batch for result in self._predict([job])]
            return [self._failure(batch[0], time.perf_counter() - started)]
        seconds = time.perf_counter() - started
        for observer in self._observers:
            observer.inferred(batch, seconds)
        for job in batch:
            log("job_done", **job.log_fields, batch_size=len(batch), inference_ms=seconds * 1000)
        return [self._result(job, top, seconds, len(batch)) for job, top in zip(batch, predictions, strict=True)]

    def _failure(self, job: Job, seconds: float) -> JobResult:
        for observer in self._observers:
            observer.failed(job, seconds)
        return JobResult(job.id, self._worker, self._classifier.model, error="The network failed on this picture.")

    def _result(self, job: Job, top: tuple[Prediction, ...], seconds: float, batch_size: int) -> JobResult:
        return JobResult(
            id=job.id,
            worker=self._worker,
            model=self._classifier.model,
            predictions=top,
            inference_s=seconds,
            batch_size=batch_size,
            fingerprint=self._classifier.fingerprint,
            precision=self._classifier.precision,
        )
