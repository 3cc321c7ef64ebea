"""The two loops of the load generator, with requests that the test controls."""

import threading
import time

from benchmarks.services import wait_until
from clients.load import Load
from clients.report import Report


def test_latencies_count_from_the_due_time_and_held_back_requests_are_reported() -> None:
    release = threading.Event()

    def send() -> str:
        release.wait()
        return "200"

    load = Load(send, threading.Event())
    began = time.monotonic()
    runner = threading.Thread(target=load.open_loop, args=(1000, 10), kwargs={"max_in_flight": 3})
    runner.start()
    wait_until(lambda: load.results.begun == 10)
    held_s = time.monotonic() - began
    release.set()
    runner.join()
    assert (load.results.held_back, len(load.results.samples)) == (7, 10)
    assert all(sample.due_s + sample.latency_s >= held_s for sample in load.results.samples)
    assert "7 had to wait" in Report.of(load.results, 1000, None).text()


def test_the_closed_loop_keeps_the_given_number_in_flight() -> None:
    barrier = threading.Barrier(8, timeout=60)
    in_flight: list[int] = []

    def send() -> str:
        in_flight.append(load.results.in_flight)
        barrier.wait()
        return "200"

    load = Load(send, threading.Event())
    load.closed_loop(8, 24)
    assert len(load.results.samples) == 24
    assert max(in_flight) == 8
