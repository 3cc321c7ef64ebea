"""A worker with all its loops and its heartbeat, in this process, with a network that a test holds."""

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import cast

import pytest

from benchmarks.services import wait_until
from inference.classifier import Classifier
from jobs import heartbeat
from jobs.protocol import Keys, WorkerInfo
from project import PROJECT_DIR
from settings import Settings
from telemetry.worker_metrics import WorkerMetrics
from tests.conftest import Client
from tests.support.batch_loops import HeldNetwork, push
from worker import service
from worker.batch_loop import BatchLoop


class Network(HeldNetwork):
    note = "small"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SIGNAL_LATENCY_S", 0.05)
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 0.05)


def serve(settings: Settings, network: Network, stop: threading.Event) -> None:
    service.serve(settings, "w1", cast(Classifier, network), stop, WorkerMetrics())


def test_a_worker_describes_itself_and_finishes_the_batches_of_all_loops_before_it_stops(
    settings: Settings, client: Client, keys: Keys
) -> None:
    network, stop = Network(streams=2), threading.Event()
    host, crop = socket.gethostname(), str(settings.crop)
    network_info = WorkerInfo("w1", "m", "e", 1, "small", host, os.getpid(), fingerprint="f", precision="float32")
    expected = replace(network_info, crop=crop, shape="1 x 1 x 3")
    with ThreadPoolExecutor(1) as pool, ExitStack() as at_end:
        worker = pool.submit(serve, settings, network, stop)
        at_end.callback(network.release, 1, 2)
        at_end.callback(stop.set)
        wait_until(lambda: client.exists(keys.worker("w1")))
        described = WorkerInfo.from_json(client.get(keys.worker("w1")))
        assert replace(described, uptime_s=None) == expected
        for name in (1, 2):
            push(settings, client, name)
        wait_until(lambda: network.inside == {1, 2}, timeout_s=10)
        network.release(1)
        wait_until(lambda: WorkerInfo.from_json(client.get(keys.worker("w1"))).images_done == 1)
        stop.set()
        network.release(2)
        worker.result(timeout=10)
    assert client.exists(keys.result("1"), keys.result("2")) == 2
    assert not client.exists(keys.worker("w1"))


def test_a_loop_that_ends_with_an_error_ends_the_worker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter((True, False))
    told_to_stop: list[bool] = []

    def run(_loop: BatchLoop, stop: threading.Event) -> None:
        if next(turns):
            raise RuntimeError("a bug")
        told_to_stop.append(stop.wait(10))

    monkeypatch.setattr(BatchLoop, "run", run)
    with pytest.raises(RuntimeError, match="a bug"):
        serve(settings, Network(streams=2), threading.Event())
    assert told_to_stop == [True]


# A worker that is told to stop while it loads its network.
STOPPED_WHILE_LOADING = """
import signal, sys
from inference.networks import ModelError
from worker.service import run_worker

def load(settings):
    try:
        signal.raise_signal(signal.SIGTERM)
    except SystemExit as error:
        {then}

sys.exit(run_worker(load))
"""


@pytest.mark.parametrize(
    "then", ["raise SystemError('in a callback') from error", "raise ModelError('cannot be loaded') from error", "pass"]
)
def test_a_worker_stopped_while_it_loads_its_network_ends_well_whatever_a_library_makes_of_that(
    then: str,
) -> None:
    command = [sys.executable, "-c", STOPPED_WHILE_LOADING.format(then=then)]
    worker = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True)
    assert (worker.returncode, worker.stderr) == (0, "")


@pytest.mark.parametrize("fault", ["threading.Event().wait()", "raise OSError"])
def test_a_stuck_worker_ends_itself_also_when_its_log_hangs_or_fails(fault: str) -> None:
    code = f"""
import logging, threading
from worker.service import _end_stuck_process
class Faulty(logging.Handler):
    def emit(self, record):
        {fault}
logging.getLogger("service").addHandler(Faulty())
_end_stuck_process(1)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=60)
    assert done.returncode == service.STUCK_EXIT_CODE, done.stderr
