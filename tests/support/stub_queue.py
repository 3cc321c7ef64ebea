"""A stub of the queue, behind a real web app."""

import io
from collections.abc import Mapping

from flask import Flask

from errors import DeadlineExceeded, JobFailed
from jobs.monitor import LivingWorker
from jobs.observers import QueueState
from jobs.protocol import JobResult, Prediction, WorkerInfo
from jobs.waiting_job import Outcome
from pictures.cell_pool import CellPool
from settings import Settings
from tests.conftest import INFO
from web.app import create_app
from web.request_scope import RequestObserver

PREDICTIONS = tuple(Prediction(f"label_{rank}", 0.5 / (rank + 1), 9 - rank) for rank in range(5))


def result_of(job_id: str) -> JobResult:
    return JobResult(job_id, "w1", "resnet50", PREDICTIONS, inference_s=0.0, batch_size=1, precision="bfloat16")


class StubQueue:
    """Gives every picture the same result, or raises the error that a test has set."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.alive = [INFO]
        self.pixels: list[bytes] = []
        self.traceparents: list[str | None] = []

    def check_admission(self) -> None:
        pass

    def classify(
        self, pictures: Mapping[str, bytes], deadline: float, client_gone: object, traceparent: str | None
    ) -> dict[str, Outcome]:
        self.pixels += pictures.values()
        self.traceparents.append(traceparent)
        if isinstance(self.error, JobFailed | DeadlineExceeded):
            return dict.fromkeys(pictures, self.error)
        if self.error:
            raise self.error
        return {name: result_of(name) for name in pictures}

    def check_queue(self) -> None:
        pass

    def workers(self) -> list[WorkerInfo]:
        if self.error:
            raise self.error
        return self.alive

    def living_workers(self) -> list[LivingWorker]:
        return [LivingWorker(info, heartbeat_age_s=0.5) for info in self.workers()]

    def state(self) -> QueueState:
        return QueueState(depth=3, capacity=512, workers=len(self.alive))


def stub_app(settings: Settings, queue: StubQueue, *observers: RequestObserver, cells: CellPool | None = None) -> Flask:
    """The web app with the stub as its job client and its queue monitor."""
    return create_app(settings, queue, queue, cells=cells, observers=observers)  # type: ignore[arg-type]


def form(upload: bytes, field: str = "image") -> dict[str, object]:
    return {field: (io.BytesIO(upload), "picture.png")}
