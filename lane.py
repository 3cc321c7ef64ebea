"""One thread of a worker: take a batch of jobs, predict, publish the answers; again and again.

A worker has as many lanes as batches can be computed at once, so that while one is computed another is decoded.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import redis

from classifier import Classifier
from job_protocol import Answer, Job
from job_source import JobSource
from logger import log
from metrics import WorkerMetrics
from settings import Settings

RECONNECT_WAIT_S = 1


class Room:
    """Where the lanes compute: all of them together, or one alone."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._places = threading.Semaphore(lanes)
        self._door = threading.Lock()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Enter as soon as nobody is alone in there, or wants to be."""
        with self._door:
            self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Enter as soon as all others have left, and keep them out."""
        with self._door:
            for _ in range(self._lanes):
                self._places.acquire()
        try:
            yield
        finally:
            self._places.release(self._lanes)


class Progress(Protocol):
    """Tells the heartbeat that the loop has gone round, with so many pictures done."""

    def __call__(self, *, images: int = 0) -> None:
        """Tell it."""


class Observer(Protocol):
    """Is told what became of the jobs, and how long the network took for it, in seconds."""

    def inferred(self, batch: Sequence[Job], seconds: float) -> None:
        """Hear of a batch that the network has classified."""

    def failed(self, job: Job, seconds: float) -> None:
        """Hear of a job on which the network has failed."""


class Lane:
    """A loop over batches, with connections of its own."""

    def __init__(
        self,
        settings: Settings,
        worker: str,
        classifier: Classifier,
        progress: Progress,
        room: Room,
        metrics: WorkerMetrics,
        observers: Sequence[Observer],
    ) -> None:
        self._wanted_s = settings.request_timeout_s
        self._worker = worker
        self._classifier = classifier
        self._progress = progress
        self._room = room
        self._observers = observers
        self._source = JobSource(settings, worker, classifier.model, metrics)

    def run(self, stop: threading.Event) -> None:
        """Answer jobs until `stop` is set; the batch in hand is finished first."""
        while not stop.is_set():
            self._progress()
            try:
                batch = self._source.take(self._classifier.batch_size)
            except redis.RedisError as error:
                log("redis_unavailable", level="error", error=error)
                stop.wait(RECONNECT_WAIT_S)
                continue
            if batch:
                # A job that may have killed a worker must not take those of other lanes with it.
                with self._room.alone() if batch[0].attempt > 1 else self._room.together():
                    self._serve(batch, stop)

    def _serve(self, batch: Sequence[Job], stop: threading.Event) -> None:
        self._progress()
        jobs = self._source.claim(batch)
        if jobs:
            self._publish(self._answers(jobs), stop)
            self._progress(images=len(jobs))

    def _publish(self, answers: Sequence[Answer], stop: threading.Event) -> None:
        """Publish; while Redis is away try again, as long as somebody may want the answers."""
        end = time.monotonic() + self._wanted_s
        while True:
            try:
                self._source.publish(answers)
                return
            except redis.RedisError as error:
                log("redis_unavailable", level="error", ids=",".join(answer.id for answer in answers), error=error)
            if stop.wait(RECONNECT_WAIT_S) or time.monotonic() > end:
                return

    def _answers(self, batch: Sequence[Job]) -> list[Answer]:
        """Predict a batch; when that fails, each picture alone, so that only the one at fault gets an error."""
        started = time.perf_counter()
        try:
            predictions = self._classifier.predict([job.image for job in batch])
        except Exception:
            log("inference_failed", level="error", ids=",".join(job.id for job in batch), exc_info=True)
            if len(batch) > 1:
                return [answer for job in batch for answer in self._answers([job])]
            for observer in self._observers:
                observer.failed(batch[0], time.perf_counter() - started)
            return [
                Answer(batch[0].id, self._worker, self._classifier.model, error="The network failed on this picture.")
            ]
        seconds = time.perf_counter() - started
        for observer in self._observers:
            observer.inferred(batch, seconds)
        for job in batch:
            log("job_done", **job.log_fields, batch_size=len(batch), inference_ms=seconds * 1000)
        return [
            Answer(
                job.id,
                self._worker,
                self._classifier.model,
                top,
                inference_s=seconds,
                batch_size=len(batch),
                fingerprint=self._classifier.fingerprint,
            )
            for job, top in zip(batch, predictions, strict=True)
        ]
