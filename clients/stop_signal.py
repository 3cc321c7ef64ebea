"""A clean end on Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# The exit code of a shell for what SIGINT has ended.
INTERRUPTED = 130
NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets; a second one raises KeyboardInterrupt."""
    stop = threading.Event()
    old = {number: signal.getsignal(number) for number in NUMBERS}

    def first(_number: int, _frame: object) -> None:
        for number in NUMBERS:
            signal.signal(number, signal.default_int_handler)
        stop.set()

    for number in NUMBERS:
        signal.signal(number, first)
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
