"""A semaphore that is first come, first served.

The standard library's semaphores and queues allow barging: a thread that arrives may overtake those that have been
woken. Under load the same few threads are then served again and again, while others wait for seconds.
"""

import threading
from collections import deque


class FairSemaphore:
    """Lets so many in at once that together they take no more than `value`, in the order in which they asked."""

    def __init__(self, value: int) -> None:
        self._free = value
        self._waiting: deque[tuple[threading.Lock, int]] = deque()
        self._lock = threading.Lock()

    def acquire(self, timeout_s: float, count: int = 1) -> bool:
        """Wait to be let in; return False when that took too long.

        Args:
            timeout_s: in seconds.
            count: of places that this takes, at most `value`.
        """
        with self._lock:
            if self._free >= count and not self._waiting:
                self._free -= count
                return True
            granted = threading.Lock()
            granted.acquire()
            waiting = granted, count
            self._waiting.append(waiting)
        if granted.acquire(timeout=timeout_s):
            return True
        with self._lock:
            if waiting not in self._waiting:
                return True  # granted at the last moment
            self._waiting.remove(waiting)
            self._let_in()  # those behind it may want fewer places
            return False

    def release(self, count: int = 1) -> None:
        """Leave, and let in those who have waited longest."""
        with self._lock:
            self._free += count
            self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._waiting[0][1] <= self._free:
            granted, count = self._waiting.popleft()
            self._free -= count
            granted.release()
