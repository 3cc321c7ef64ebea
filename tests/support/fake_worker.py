"""Both ends of the queue in one process: a client that submits jobs, and a fake worker that processes them."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import redis

from errors import ServiceError
from jobs.client import JobClient
from jobs.clock import RedisClock
from jobs.connection import connect
from jobs.consumer import JobConsumer
from jobs.protocol import Job, JobResult, Prediction
from settings import Settings
from tests.conftest import PIXELS


def request_deadline(settings: Settings) -> float:
    """The deadline of a request that arrives now."""
    return time.monotonic() + settings.request_timeout_s


def classify_one(
    jobs: JobClient, pixels: bytes, job_id: str, deadline: float, client_gone: Callable[[], bool] = lambda: False
) -> JobResult:
    """Have one picture classified; raise what it gets instead of a result."""
    outcome = jobs.classify({job_id: pixels}, deadline, client_gone)[job_id]
    if isinstance(outcome, ServiceError):
        raise outcome
    return outcome


def new_job(settings: Settings, job_id: str, timeout_s: float = 30) -> Job:
    """A job that expires in `timeout_s`."""
    return Job(job_id, PIXELS, RedisClock(connect(settings)).now() + timeout_s)


def unreachable(*_: object) -> None:
    """What a command does while Redis is away."""
    raise redis.ConnectionError("unreachable")


def result_of(job: Job) -> JobResult:
    """The fake worker's result: a label that no other job has."""
    return JobResult(job.id, "w1", "m", (Prediction(f"label of {job.id}", 1.0),), inference_s=0.01, batch_size=1)


def process_jobs(settings: Settings, count: int) -> None:
    """Take this many jobs off the queue and publish their results; a job that was queued again counts once."""
    consumer = JobConsumer(settings, "w1", "m")
    done: set[str] = set()
    while len(done) < count:
        batch = consumer.take(8)
        consumer.publish([result_of(job) for job in batch])
        done.update(job.id for job in batch)


@contextmanager
def submitted_job(settings: Settings, job_id: str = "a" * 32) -> Iterator[Future[JobResult]]:
    """Submit a job from a thread, and yield the future of its result."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(classify_one, JobClient(settings), PIXELS, job_id, request_deadline(settings))
