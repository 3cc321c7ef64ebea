"""Threads for requests in progress."""

import threading
from collections import deque
from collections.abc import Callable

Call = Callable[[], object]


class RequestThreads:
    """Runs calls in threads, which start when they are needed and stay; a call must not raise.

    The thread that has become idle last is taken first. `ThreadPoolExecutor` takes one after the other instead, so that
    after a burst of requests hundreds of threads take turns, whose memory is never in the processor's caches: that cost
    a quarter of the throughput.

    Args:
        count: of calls at once; others wait, first come, first served.
    """

    def __init__(self, count: int) -> None:
        self._startable = count
        self._idle: list[_Thread] = []
        self._waiting: deque[Call] = deque()
        self._lock = threading.Lock()

    def submit(self, call: Call) -> None:
        """Run it as soon as there is a thread.

        Raises:
            RuntimeError: there was to be another thread, and the system allows none.
        """
        with self._lock:
            if self._idle:
                thread = self._idle.pop()
            elif self._startable:
                thread = _Thread(self._next)
                self._startable -= 1
            else:
                self._waiting.append(call)
                return
        thread.run(call)

    def close(self) -> None:
        """End all threads that are idle."""
        with self._lock:
            while self._idle:
                self._idle.pop().run(None)

    def _next(self, thread: "_Thread") -> Call | None:
        """Return what waits; None for a thread that is idle from now on."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(thread)
            return None


class _Thread:
    def __init__(self, following: "Callable[[_Thread], Call | None]") -> None:
        self._following = following
        self._call: Call | None = None
        # A lock that another thread releases: a semaphore of one, in C.
        self._given = threading.Lock()
        self._given.acquire()
        threading.Thread(target=self._loop, name="request", daemon=True).start()

    def run(self, call: Call | None) -> None:
        """Run a call, or end; the thread must be idle."""
        self._call = call
        self._given.release()

    def _loop(self) -> None:
        while self._given.acquire():
            call, self._call = self._call, None  # or an idle thread would keep its last request in memory
            if call is None:
                return
            while call is not None:
                call()
                call = self._following(self)
