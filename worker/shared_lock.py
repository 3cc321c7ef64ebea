"""A lock that is either shared by all threads, or held by one alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """Fair to whoever wants it alone: threads that come later wait behind.

    Args:
        threads: how many may share it.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._places = threading.Semaphore(threads)
        self._entry = threading.Lock()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Enter as soon as no thread holds the lock alone, or waits to do so."""
        with self._entry:
            self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Enter as soon as all others have left, and keep them out."""
        with self._entry:
            for _ in range(self._threads):
                self._places.acquire()
        try:
            yield
        finally:
            self._places.release(self._threads)
