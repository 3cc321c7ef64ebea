"""A semaphore that is first come, first served.

The standard library's semaphores and queues allow barging: a thread that arrives may overtake those that have been
woken. Under load the same few threads are then served again and again, while others wait for seconds.
"""

import threading
from collections import deque


class FairSemaphore:
    """Lets `value` threads in at once, in the order in which they asked."""

    def __init__(self, value: int) -> None:
        self._free = value
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def acquire(self, timeout_s: float) -> bool:
        """Wait to be let in; return False when that took too long."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            granted = threading.Lock()
            granted.acquire()
            self._waiting.append(granted)
        if granted.acquire(timeout=timeout_s):
            return True
        with self._lock:
            if granted not in self._waiting:
                return True  # granted at the last moment
            self._waiting.remove(granted)
            return False

    def release(self) -> None:
        """Leave, and let in the thread that has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
