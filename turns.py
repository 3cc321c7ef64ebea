"""Turns for threads, so many at once, in the order in which they were asked for.

The semaphores and queues of the standard library let a thread that comes by just then go ahead of those that have been
woken: under load the same few threads are served again and again, and others wait for seconds.
"""

import threading
from collections import deque


class Turns:
    """Safe to use from many threads."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def take(self, timeout_s: float) -> bool:
        """Wait for a turn, which is to be given back; return False when none came in that time."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        if called.acquire(timeout=timeout_s):
            return True
        with self._lock:
            if called not in self._waiting:
                return True  # it has come at the last moment
            self._waiting.remove(called)
            return False

    def give_back(self) -> None:
        """End a turn and hand it to whoever has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
