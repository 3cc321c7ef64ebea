"""Keeps a fault that lasts from filling the log."""

import threading
from collections import deque

from logger import log

REMEMBERED_NAMES = 1000
LOGGED_CHARS = 100


class LogOnce:
    """Logs a warning once for each name, as long as the name is among the latest REMEMBERED_NAMES; for many threads.

    Args:
        action: what happened.
    """

    def __init__(self, action: str) -> None:
        self._action = action
        self._logged: deque[str] = deque(maxlen=REMEMBERED_NAMES)
        self._lock = threading.Lock()

    def __call__(self, name: bytes, reason: object) -> None:
        """Log that it happened to `name`, and why."""
        shown = name[:LOGGED_CHARS].decode(errors="backslashreplace")
        with self._lock:
            if shown in self._logged:
                return
            self._logged.append(shown)
        log(self._action, level="warning", name=shown, reason=reason)
