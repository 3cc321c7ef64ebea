"""A clean end on Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets; a second one has its usual effect."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    old = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in old.items():
            signal.signal(number, handler)

    def first(_number: int, _frame: object) -> None:
        restore()
        stop.set()

    for number in numbers:
        signal.signal(number, first)
    try:
        yield stop
    finally:
        restore()
