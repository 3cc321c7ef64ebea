"""The worker: take a batch of jobs, predict, publish the answers; again and again until it is told to stop.

Start as many as you like, on as many machines as you like: `python run_model_server.py`.
"""

import argparse
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

import redis

from classifier import Classifier, load_classifier
from job_protocol import Answer, Job, WorkerInfo
from job_source import Heartbeat, JobSource
from logger import configure_logging, log
from networks import ModelError
from settings import Settings, load_settings

RECONNECT_WAIT_S = 1


def main() -> int:
    """Run one worker and return its exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    settings = load_settings()
    # SERVER_NAME may be the same on several machines, the name of a worker never is.
    name = f"{settings.name_of('worker')}-{os.getpid()}-{secrets.token_hex(2)}"
    configure_logging(name, settings.log_format, settings.log_level)
    _on_stop_signal(lambda: sys.exit(0))
    try:
        classifier = load_classifier(settings)
    except ModelError as error:
        log("model_unavailable", level="error", error=error)
        return 1
    stop = threading.Event()
    _on_stop_signal(stop.set)
    serve(settings, name, classifier, stop)
    return 0


def _on_stop_signal(act: Callable[[], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: act())


def serve(settings: Settings, name: str, classifier: Classifier, stop: threading.Event) -> None:
    """Answer jobs until `stop` is set; the batch in hand is finished first."""
    info = WorkerInfo(
        name=name,
        model=classifier.model,
        engine=classifier.engine,
        batch_size=classifier.batch_size,
        note=classifier.note,
        host=socket.gethostname(),
        pid=os.getpid(),
    )
    source = JobSource(settings, name, classifier.model)
    with Heartbeat(settings, info) as heartbeat:
        log("worker_started", model=info.model, engine=info.engine, batch_size=info.batch_size)
        while not stop.is_set():
            heartbeat.progress()
            try:
                batch = source.take(classifier.batch_size)
            except redis.RedisError as error:
                log("redis_unavailable", level="error", error=error)
                stop.wait(RECONNECT_WAIT_S)
                continue
            if batch:
                _publish(source, _answers(classifier, name, batch), stop, settings.request_timeout_s)
                heartbeat.progress(images=len(batch))
    log("worker_stopped")


def _publish(source: JobSource, answers: Sequence[Answer], stop: threading.Event, wanted_s: float) -> None:
    """Publish; while Redis is away try again, as long as somebody may want the answers."""
    end = time.monotonic() + wanted_s
    while True:
        try:
            source.publish(answers)
            return
        except redis.RedisError as error:
            log("redis_unavailable", level="error", ids=",".join(answer.id for answer in answers), error=error)
        if stop.wait(RECONNECT_WAIT_S) or time.monotonic() > end:
            return


def _answers(classifier: Classifier, name: str, batch: Sequence[Job]) -> list[Answer]:
    """Predict a batch; when that fails, each picture alone, so that only the one at fault gets an error."""
    started = time.perf_counter()
    try:
        predictions = classifier.predict([job.image for job in batch])
    except Exception:
        log("inference_failed", level="error", ids=",".join(job.id for job in batch), exc_info=True)
        if len(batch) > 1:
            return [answer for job in batch for answer in _answers(classifier, name, [job])]
        return [Answer(batch[0].id, name, classifier.model, error="The network failed on this picture.")]
    seconds = time.perf_counter() - started
    for job in batch:
        log("job_done", id=job.id, batch_size=len(batch), inference_ms=seconds * 1000)
    return [
        Answer(job.id, name, classifier.model, top, inference_s=seconds, batch_size=len(batch))
        for job, top in zip(batch, predictions, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main())
