"""One worker: it loads its network, then runs batch loops and a heartbeat until it is told to stop."""

import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial

from inference.classifier import Classifier, load_classifier
from inference.networks import ModelError
from jobs.consumer import JobConsumer
from jobs.heartbeat import Heartbeat
from jobs.protocol import WorkerInfo
from logger import configure_logging, log
from settings import Settings, load_settings
from telemetry.worker_metrics import WorkerMetrics
from worker.batch_loop import BatchLoop, BatchObserver
from worker.shared_lock import SharedLock

SIGNAL_LATENCY_S = 0.5
# An internal error: sysexits.h. 1 is a worker that cannot start.
STUCK_EXIT_CODE = os.EX_SOFTWARE
# Nothing keeps a stuck worker from ending, not even a log that hangs.
LAST_WORDS_S = 1

LoadClassifier = Callable[[Settings], Classifier]


def run_worker(load: LoadClassifier = load_classifier) -> int:
    """Run one worker, with the settings of its environment, and return its exit code.

    Args:
        load: loads the network, or raises ModelError.
    """
    settings = load_settings()
    # SERVER_NAME may be the same on several machines, the name of a worker never is.
    name = f"{settings.name_of('worker')}-{os.getpid()}-{secrets.token_hex(2)}"
    configure_logging(name, settings.log_format, settings.log_level)
    try:
        with _ending_at_stop_signal():
            classifier = load(settings)
    except ModelError as error:
        log("model_unavailable", level="error", error=error)
        return 1
    metrics = WorkerMetrics()
    if settings.metrics_port:
        # Not before, since a worker that has metrics counts as one that has started.
        try:
            metrics.serve(settings.host, settings.metrics_port)
        except OSError as error:
            log("metrics_unavailable", level="error", host=settings.host, port=settings.metrics_port, error=error)
            return 1
    stop = threading.Event()
    _on_stop_signal(stop.set)
    serve(settings, name, classifier, stop, metrics)
    return 0


def serve(settings: Settings, name: str, classifier: Classifier, stop: threading.Event, metrics: WorkerMetrics) -> None:
    """Answer jobs until `stop` is set; the batches in hand are finished first."""
    info = _describe(settings, name, classifier)
    count = classifier.engine.concurrency
    observers = [metrics, *_tracers(settings, name)]
    with (
        Heartbeat(settings, info, count, _end_stuck_process) as heartbeat,
        ThreadPoolExecutor(count, "batch-loop") as pool,
    ):
        log(
            "worker_started",
            model=info.model,
            engine=info.engine,
            precision=info.precision,
            batch_size=info.batch_size,
            concurrency=count,
        )
        lock = SharedLock(count)
        loops = [
            BatchLoop(
                settings,
                name,
                classifier,
                JobConsumer(settings, name, classifier.model, metrics),
                partial(heartbeat.progress, number),
                lock,
                observers,
            )
            for number in range(count)
        ]
        running = [pool.submit(loop.run, stop) for loop in loops]
        # With a time-out, since Python does not wake the main thread for a signal that another thread has received.
        while not stop.is_set() and not wait(running, SIGNAL_LATENCY_S, FIRST_EXCEPTION).done:
            pass
        stop.set()
    for loop in running:
        loop.result()
    log("worker_stopped")


def _describe(settings: Settings, name: str, classifier: Classifier) -> WorkerInfo:
    return WorkerInfo(
        name=name,
        model=classifier.model,
        engine=classifier.engine.name,
        batch_size=classifier.batch_size,
        note=classifier.note,
        host=socket.gethostname(),
        pid=os.getpid(),
        fingerprint=classifier.fingerprint,
        crop=str(settings.crop),
        precision=classifier.precision,
        shape=str(settings.image_shape),
    )


def _end_stuck_process(stalled_s: float) -> None:
    """End at once, since a thread that hangs in the network cannot be stopped; whoever supervises us starts another."""
    try:
        threading.Timer(LAST_WORDS_S, os._exit, [STUCK_EXIT_CODE]).start()
        log("worker_stuck", level="error", stalled_s=stalled_s, exit_code=STUCK_EXIT_CODE)
    finally:
        os._exit(STUCK_EXIT_CODE)


@contextmanager
def _ending_at_stop_signal() -> Iterator[None]:
    """End with exit code 0 at a signal, even if SystemExit is lost: in callbacks from C++ it becomes another error."""
    stopped = threading.Event()

    def end() -> None:
        stopped.set()
        sys.exit(0)

    _on_stop_signal(end)
    try:
        yield
    finally:
        if stopped.is_set():
            sys.exit(0)


def _on_stop_signal(act: Callable[[], object]) -> None:
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # else it was started by nohup
        numbers.append(signal.SIGHUP)
    for number in numbers:
        signal.signal(number, lambda _number, _frame: act())


def _tracers(settings: Settings, name: str) -> list[BatchObserver]:
    if settings.tracing == "off":
        return []
    from telemetry.tracing import BatchTracer, otlp_provider

    return [BatchTracer(otlp_provider("worker", name))]
