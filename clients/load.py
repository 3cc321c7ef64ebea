"""Two ways to load a service: a rate of requests, or a number of requests at once."""

import itertools
import queue
import threading
import time
from collections.abc import Callable

from clients.report import Results, Sample

# In the open loop: as many as the service queues by default, each with a thread and an open file.
MAX_IN_FLIGHT = 512
# How often the caller is told of the progress, and `stop` is looked at.
TICK_S = 0.1

Tick = Callable[[Results], None]


class Load:
    """Threads that send requests until there are no more or `stop` is set; those in flight are finished first.

    Args:
        send: sends one request and returns its outcome.
        stop: ends the load early.
        tick: called every now and then, in the thread that has begun the load.

    Attributes:
        results: filled while the load runs.
    """

    def __init__(self, send: Callable[[], str], stop: threading.Event, tick: Tick = lambda _: None) -> None:
        self.results = Results()
        self._send = send
        self._stop = stop
        self._tick = tick
        self._threads: list[threading.Thread] = []
        self._began = time.monotonic()

    def open_loop(self, rate: float, count: int, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        """Begin requests at a rate per second, however long the answers take.

        Latencies count from when a request was due, so a wait because `max_in_flight` others are in flight is not
        hidden.
        """
        results = self.results
        due_times: queue.SimpleQueue[float | None] = queue.SimpleQueue()
        for number in range(count):
            due = self._began + number / rate
            if not self._wait_until(due):
                break
            if results.in_flight < len(self._threads):
                pass  # one of them is free
            elif len(self._threads) < max_in_flight:
                self._start_thread(due_times.get)
            else:
                results.held_back += 1
            results.begun += 1
            due_times.put(due)
        for _ in self._threads:
            due_times.put(None)
        self._join()

    def closed_loop(self, concurrency: int, count: int | None, duration_s: float | None = None) -> None:
        """Keep a number of requests in flight, until `count` were sent or the time has passed."""
        results = self.results
        numbers = itertools.count() if count is None else iter(range(count))
        end = None if duration_s is None else self._began + duration_s
        lock = threading.Lock()

        def next_due() -> float | None:
            now = time.monotonic()
            with lock:
                if (end is not None and now >= end) or next(numbers, None) is None:
                    return None
                results.begun += 1
            return now

        for _ in range(concurrency if count is None else min(concurrency, count)):
            self._start_thread(next_due)
        self._join()

    def _start_thread(self, next_due: Callable[[], float | None]) -> None:
        # A daemon, so that a second Ctrl-C can end the program without waiting for answers.
        thread = threading.Thread(target=self._work, args=(next_due,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self, next_due: Callable[[], float | None]) -> None:
        while not self._stop.is_set() and (due := next_due()) is not None:
            sent = time.monotonic()
            outcome = self._send()
            self.results.add(Sample(due - self._began, sent - due, time.monotonic() - due, outcome))

    def _wait_until(self, due: float) -> bool:
        """Wait, and tell whether to go on."""
        while not self._stop.is_set():
            self._tick(self.results)
            wait_s = due - time.monotonic()
            if wait_s <= 0:
                return True
            time.sleep(min(wait_s, TICK_S))
        return False

    def _join(self) -> None:
        for thread in self._threads:
            while thread.is_alive():
                self._tick(self.results)
                thread.join(TICK_S)
        self._tick(self.results)
