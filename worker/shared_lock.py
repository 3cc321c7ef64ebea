"""A lock that is either shared by all threads, or held by one alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

REPORT_INTERVAL_S = 1

# Called by a thread that waits, once an interval, to show that it does not hang.
Report = Callable[[], object]


class SharedLock:
    """Fair to whoever wants it alone: threads that come later wait behind.

    Args:
        threads: how many may share it.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._places = threading.Semaphore(threads)
        self._entry = threading.Lock()

    def shared(self, waiting: Report = lambda: None) -> AbstractContextManager[None]:
        """Enter as soon as no thread holds the lock alone, or waits to do so."""
        return self._hold(1, waiting)

    def exclusive(self, waiting: Report = lambda: None) -> AbstractContextManager[None]:
        """Enter as soon as all others have left, and keep them out."""
        return self._hold(self._threads, waiting)

    @contextmanager
    def _hold(self, places: int, waiting: Report) -> Iterator[None]:
        _acquire(self._entry, waiting)
        try:
            for _ in range(places):
                _acquire(self._places, waiting)
        finally:
            self._entry.release()
        try:
            yield
        finally:
            self._places.release(places)


def _acquire(lock: "threading.Lock | threading.Semaphore", waiting: Report) -> None:
    while not lock.acquire(timeout=REPORT_INTERVAL_S):
        waiting()
