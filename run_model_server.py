"""The worker: take a batch of jobs, predict, publish the answers; again and again until it is told to stop.

Start as many as you like, on as many machines as you like. All settings come from the environment or the file .env; the
README lists them.

    python run_model_server.py
    MODEL=efficientnet_lite0 ENGINE=openvino python run_model_server.py
    MODEL=flowers.keras LABELS=flowers.txt PREPROCESS=tf python run_model_server.py
"""

import argparse
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial

from classifier import Classifier, load_classifier
from job_protocol import WorkerInfo
from job_source import Heartbeat
from lane import Lane, Observer, Room
from logger import configure_logging, log
from metrics import WorkerMetrics
from networks import ModelError
from settings import Settings, load_settings

SIGNAL_LATENCY_S = 0.5


def main() -> int:
    """Run one worker and return its exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    settings = load_settings()
    # SERVER_NAME may be the same on several machines, the name of a worker never is.
    name = f"{settings.name_of('worker')}-{os.getpid()}-{secrets.token_hex(2)}"
    configure_logging(name, settings.log_format, settings.log_level)
    _on_stop_signal(lambda: sys.exit(0))
    metrics = WorkerMetrics()
    if settings.metrics_port:
        try:
            metrics.serve(settings.host, settings.metrics_port)
        except OSError as error:
            log("metrics_unavailable", level="error", host=settings.host, port=settings.metrics_port, error=error)
            return 1
    try:
        classifier = load_classifier(settings)
    except ModelError as error:
        log("model_unavailable", level="error", error=error)
        return 1
    stop = threading.Event()
    _on_stop_signal(stop.set)
    serve(settings, name, classifier, stop, metrics)
    return 0


def _on_stop_signal(act: Callable[[], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: act())


def serve(settings: Settings, name: str, classifier: Classifier, stop: threading.Event, metrics: WorkerMetrics) -> None:
    """Answer jobs until `stop` is set; the batches in hand are finished first."""
    info = WorkerInfo(
        name=name,
        model=classifier.model,
        engine=classifier.engine,
        batch_size=classifier.batch_size,
        note=classifier.note,
        host=socket.gethostname(),
        pid=os.getpid(),
        fingerprint=classifier.fingerprint,
    )
    count = classifier.lanes
    with Heartbeat(settings, info, count) as heartbeat, ThreadPoolExecutor(count, "lane") as pool:
        log("worker_started", model=info.model, engine=info.engine, batch_size=info.batch_size, lanes=count)
        room = Room(count)
        observers = [metrics, *_tracers(settings, name)]
        lanes = [
            Lane(settings, name, classifier, partial(heartbeat.progress, number), room, metrics, observers)
            for number in range(count)
        ]
        loops = [pool.submit(lane.run, stop) for lane in lanes]
        # Looking up now and then, since Python does not wake the main thread for a signal that another one has got.
        while not stop.is_set() and not wait(loops, SIGNAL_LATENCY_S, FIRST_EXCEPTION).done:
            pass
        stop.set()
    for loop in loops:
        loop.result()
    log("worker_stopped")


def _tracers(settings: Settings, name: str) -> list[Observer]:
    if settings.tracing == "off":
        return []
    from tracing import BatchSpans, otlp_provider

    return [BatchSpans(otlp_provider("worker", name))]


if __name__ == "__main__":
    sys.exit(main())
