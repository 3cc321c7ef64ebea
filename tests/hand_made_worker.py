"""Both ends of the queue in one process: a client that asks, and a worker made by hand that answers."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from job_protocol import Answer, Job, Prediction
from job_queue import JobQueue
from job_source import JobSource
from settings import Settings
from tests.conftest import PIXELS


def soon(settings: Settings) -> float:
    """The deadline of a request that has just come."""
    return time.monotonic() + settings.request_timeout_s


def answer(job: Job) -> Answer:
    """What our worker says: a label that only this job has."""
    return Answer(job.id, "w1", "m", (Prediction(f"label of {job.id}", 1.0),), inference_s=0.01, batch_size=1)


def answer_jobs(settings: Settings, count: int) -> None:
    source = JobSource(settings, "w1", "m")
    while count:
        jobs = source.take(8)
        source.publish([answer(job) for job in jobs])
        count -= len(jobs)


@contextmanager
def asked(settings: Settings, job_id: str = "a" * 32) -> Iterator[Future[Answer]]:
    """A client that waits for its answer while the test does something."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(JobQueue(settings).classify, PIXELS, job_id, soon(settings))
